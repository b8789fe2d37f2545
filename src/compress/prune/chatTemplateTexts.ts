/** Prompts that a model's chat templates make, which name its roles and marks. */
import type { ChatMessage } from '../../tokenizer/chatMessage.ts';
import { renderChat } from '../../tokenizer/chatPrompt.ts';
import { type ChatTemplateSource, createChatTemplate } from '../../tokenizer/chatTemplate.ts';
import { ChatTemplateError } from '../../tokenizer/chatTemplateError.ts';
import type { SpecialTokens } from '../../tokenizer/specialTokens.ts';

const said = (role: string): ChatMessage => ({ role, content: 'a' }) as ChatMessage;
const turns = ['user', 'assistant', 'user'].map(said);
/** Some templates refuse a system message. */
const CONVERSATIONS = [[said('system'), ...turns], turns];
/** Templates that write today's date must make the same texts on every day. */
const now = new Date(0);

/** Renders short conversations with every template. Templates and conversations that fail are left out, as a chat with them fails, too. */
export function chatTemplateTexts(source: ChatTemplateSource | undefined, tokens: SpecialTokens): string[] {
  const sources = typeof source === 'object' ? Object.values(source) : source === undefined ? [] : [source];
  return sources.flatMap((each) => CONVERSATIONS.flatMap((messages) => rendered(each, tokens, messages)));
}

function rendered(source: string, tokens: SpecialTokens, messages: readonly ChatMessage[]): string[] {
  try {
    const template = createChatTemplate(source, tokens);
    const dated = {
      ...template,
      render: ((all, options) => template.render(all, { ...options, now })) as typeof template.render,
    };
    return [renderChat(dated, messages)];
  } catch (error) {
    if (error instanceof ChatTemplateError) return [];
    throw error;
  }
}
