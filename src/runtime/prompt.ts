/** Converts the prompts of a session (text, a conversation, or token ids) to token ids. */
import { ContextError, OptionError } from '../core/errors.ts';
import type { ChatMessage } from '../tokenizer/chatMessage.ts';
import { type ChatOptions, renderChat } from '../tokenizer/chatPrompt.ts';
import { dropOldest } from '../tokenizer/dropOldest.ts';
import type { Engine } from './engine.ts';

/**
 * A text: BOS is added if the vocabulary asks for it, and special tokens in the text are parsed; encode untrusted text with
 * `tokenizer.encode(text, { special: false })`. Messages: rendered by the model's chat template. Token ids: used unchanged.
 */
export type Prompt = string | readonly ChatMessage[] | readonly number[];

export interface PromptOptions extends ChatOptions {
  /**
   * Handling of a conversation longer than the context. 'error' (default): throw a ContextError. 'dropOldest': leave out the
   * oldest exchanges until the prompt leaves room for `maxTokens`, at most a quarter of the context. The system message and
   * the last exchange are always kept.
   */
  readonly overflow?: 'error' | 'dropOldest' | undefined;
}

export interface EncodedPrompt {
  readonly ids: readonly number[];
  /** Number of messages that `overflow: 'dropOldest'` left out. */
  readonly droppedMessages: number;
}

const CHAT_OPTIONS: readonly (keyof PromptOptions)[] = [
  'tools',
  'documents',
  'templateVariables',
  'chatTemplate',
  'addGenerationPrompt',
  'continueFinalMessage',
  'overflow',
];

/** @throws {OptionError} for anything else; {ContextError} if it is longer than the context; what `renderChat` throws */
export function encodePrompt(
  engine: Engine,
  prompt: Prompt,
  options: PromptOptions & { readonly maxTokens?: number } = {},
): EncodedPrompt {
  if (!isConversation(prompt)) {
    const given = CHAT_OPTIONS.find((name) => options[name] !== undefined);
    if (given) throw new OptionError(given, 'given', 'a prompt of messages');
    const ids = typeof prompt === 'string' ? engine.tokenizer.encode(prompt, { addEos: false }) : [...prompt];
    engine.checkTokens(ids, 'the prompt');
    return { ids, droppedMessages: 0 };
  }
  const { ids, messages } =
    options.overflow === 'dropOldest'
      ? shortened(engine, prompt, options)
      : { ids: encodeMessages(engine, prompt, options), messages: prompt };
  engine.checkTokens(ids, 'the prompt');
  return { ids, droppedMessages: prompt.length - messages.length };
}

function shortened(
  engine: Engine,
  prompt: readonly ChatMessage[],
  options: PromptOptions & { readonly maxTokens?: number },
) {
  const { context } = engine;
  const room = context - Math.min(options.maxTokens ?? context, Math.ceil(context / 4));
  let ids: number[] = [];
  const messages = dropOldest(prompt, (some) => {
    ids = encodeMessages(engine, some, options);
    return ids.length <= room;
  });
  if (!messages)
    throw new ContextError(
      `the last exchange and the instructions have ${ids.length} tokens but the context holds ${context}, of which ${context - room} are for the reply`,
      ids.length,
      context,
    );
  return { messages, ids: encodeMessages(engine, messages, options) };
}

/** Number of tokens of a prompt, however many the context holds. */
export function countTokens(engine: Engine, prompt: Prompt, options: ChatOptions = {}): number {
  if (isConversation(prompt)) return encodeMessages(engine, prompt, options).length;
  return typeof prompt === 'string' ? engine.tokenizer.encode(prompt, { addEos: false }).length : prompt.length;
}

/**
 * The template writes BOS itself where the model was trained with one, so none is added, as in transformers. Only the
 * plain template for models without one leaves that to the vocabulary.
 */
function encodeMessages(
  { tokenizer, template }: Engine,
  messages: readonly ChatMessage[],
  options: ChatOptions,
): number[] {
  const text = renderChat(template, messages, options);
  const begun = tokenizer.bos !== undefined && text.startsWith(tokenizer.piece(tokenizer.bos));
  const addBos = template.isDefault && tokenizer.addBos && !begun;
  return tokenizer.encode(text, { addBos, addEos: false });
}

/** @throws {OptionError} for what is no prompt at all */
function isConversation(prompt: Prompt): prompt is readonly ChatMessage[] {
  if (typeof prompt === 'string') return false;
  if (!Array.isArray(prompt)) throw new OptionError('prompt', typeof prompt, 'a string, messages or token ids');
  const ids = prompt.filter((entry) => typeof entry === 'number').length;
  if (ids !== 0 && ids !== prompt.length) throw new OptionError('prompt', 'a mixed array', 'messages or token ids');
  return prompt.length > 0 && ids === 0;
}
