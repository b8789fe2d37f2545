/** Prompts that end inside the last message, as transformers' `continue_final_message` makes them. */
import { OptionError } from '../core/errors.ts';
import type { ChatMessage, TextPart } from './chatMessage.ts';
import { strip } from './jinja/whitespace.ts';

/** Marker after the last message while the template renders it. */
const TAG = 'CONTINUE_FINAL_MESSAGE_TAG ';

/** Adds the tag to the text of the last message. @throws {OptionError} if that has no text */
export function markedForContinuation(messages: readonly ChatMessage[]): ChatMessage[] {
  const last = messages.at(-1);
  const { content } = last ?? {};
  if (typeof content === 'string') return [...messages.slice(0, -1), { ...last!, content: content + TAG }];
  const at = Array.isArray(content) ? content.findLastIndex(isText) : -1;
  if (at < 0) throw new OptionError('continueFinalMessage', true, 'false where the last message has no text');
  const parts = (content as TextPart[]).map((part, i) => (i === at ? { ...part, text: part.text + TAG } : part));
  return [...messages.slice(0, -1), { ...last!, content: parts }];
}

/** Returns the prompt up to the tag; undefined if the template omits or changes the message. */
export function continued(rendered: string, messages: readonly ChatMessage[]): string | undefined {
  const at = rendered.lastIndexOf(TAG.trim());
  const { content } = messages.at(-1)!;
  const text = typeof content === 'string' ? content : (content as TextPart[]).findLast(isText)!.text;
  if (at < 0 || !rendered.includes(strip(text, undefined))) return undefined;
  const before = rendered.slice(0, at);
  // a template that trims the message would have trimmed its end
  return rendered.startsWith(TAG, at) ? before : strip(before, undefined, 'right');
}

function isText(part: unknown): part is TextPart {
  return typeof part === 'object' && part !== null && 'text' in part && typeof part.text === 'string';
}
