/** Prompts for measurements on chat: the users' turns of ../shared/data, each the beginning of a conversation. */
import { existsSync, readFileSync } from 'node:fs';

const CHATS = '../shared/data/text/chat/soda-tinystories-chat_val.txt';

/** @returns up to `count` different prompts, in the order of the file */
export function chatPrompts(count: number): string[] {
  if (!existsSync(CHATS))
    throw new Error(`${CHATS} does not exist: these measurements need the texts of ../shared/data`);
  const turns = readFileSync(CHATS, 'utf8').match(/^User: .*$/gm) ?? [];
  return [...new Set(turns)].slice(0, count).map((turn) => `${turn}\nBot:`);
}
