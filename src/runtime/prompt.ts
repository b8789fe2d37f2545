/** What can be asked of a session: text, a conversation, or token ids; and how it becomes ids. */
import { OptionError } from '../core/errors.ts';
import type { ChatMessage } from '../tokenizer/chatMessage.ts';
import type { Engine } from './engine.ts';

/**
 * Text: begins with BOS where the vocabulary asks for it; special tokens written in it count, so text that is not
 * trusted is better encoded by `tokenizer.encode(text, { special: false })`. Messages: the model's chat template makes
 * text of them, ready for the assistant's turn. Ids: taken as they are.
 */
export type Prompt = string | readonly ChatMessage[] | readonly number[];

/** @throws {OptionError} for anything else; {ContextError} where it is longer than the context */
export function encodePrompt(engine: Engine, prompt: Prompt): number[] {
  const ids = idsOf(engine, prompt);
  engine.checkTokens(ids, 'the prompt');
  return ids;
}

function idsOf(engine: Engine, prompt: Prompt): number[] {
  if (typeof prompt === 'string') return engine.tokenizer.encode(prompt, { addEos: false });
  if (!Array.isArray(prompt)) throw new OptionError('prompt', typeof prompt, 'a string, messages or token ids');
  if (areIds(prompt)) return [...prompt];
  if (areMessages(prompt)) return encodeMessages(engine, prompt);
  throw new OptionError('prompt', 'a mixed array', 'messages, each with role and content, or token ids');
}

function encodeMessages({ tokenizer, template }: Engine, messages: readonly ChatMessage[]): number[] {
  const text = template.render(messages, { addGenerationPrompt: true });
  // most templates write BOS themselves
  const begun = tokenizer.bos !== undefined && text.startsWith(tokenizer.piece(tokenizer.bos));
  return tokenizer.encode(text, { addBos: tokenizer.addBos && !begun, addEos: false });
}

function areIds(prompt: readonly unknown[]): prompt is readonly number[] {
  return prompt.every((entry) => typeof entry === 'number');
}

function areMessages(prompt: readonly unknown[]): prompt is readonly ChatMessage[] {
  return prompt.every((entry) => typeof entry === 'object' && entry !== null && 'role' in entry && 'content' in entry);
}
