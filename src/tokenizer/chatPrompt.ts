/**
 * Converts a conversation to a prompt: checks the messages, converts them to the form that the template expects, and renders
 * them. Includes the preparation that transformers does before rendering.
 */
import { OptionError, UnsupportedError } from '../core/errors.ts';
import type { ChatMessage, TextPart, ToolDefinition } from './chatMessage.ts';
import type { ChatTemplate } from './chatTemplate.ts';
import { ChatTemplateError } from './chatTemplateError.ts';

export interface ChatOptions {
  /** Functions that the model may call. Ignored by templates without tool support. */
  readonly tools?: readonly ToolDefinition[] | undefined;
  /** Documents for retrieval-augmented templates, usually with title and text. */
  readonly documents?: readonly Readonly<Record<string, unknown>>[] | undefined;
  /** Additional variables of the template, e.g. `enable_thinking`. */
  readonly templateVariables?: Readonly<Record<string, unknown>> | undefined;
  /** Name of one of the model's templates, such as 'rag', or Jinja source. Default: the model's choice. */
  readonly chatTemplate?: string | undefined;
  /** Add the start of the assistant's turn. Default: true, unless `continueFinalMessage` is set. */
  readonly addGenerationPrompt?: boolean | undefined;
  /** Continue the last message, which must be the assistant's, instead of answering it. */
  readonly continueFinalMessage?: boolean | undefined;
}

/**
 * @throws {OptionError} naming the message and its field; {UnsupportedError} for images and other parts that are not text;
 *   {ChatTemplateError} if the template refuses the conversation
 */
export function renderChat(
  template: ChatTemplate,
  messages: readonly ChatMessage[],
  options: ChatOptions = {},
): string {
  const { tools, documents, templateVariables, chatTemplate, continueFinalMessage = false } = options;
  const { addGenerationPrompt = !continueFinalMessage } = options;
  checkMessages(messages);
  const form = formOf(template, chatTemplate);
  return template.render(
    messages.map((message) => inForm(withReasoning(withoutNulls(message)), form)),
    { addGenerationPrompt, continueFinalMessage, tools, documents, template: chatTemplate, extra: templateVariables },
  );
}

/** Fields that make `content` optional. */
const REASONING = ['reasoning_content', 'thinking', 'reasoning'] as const;
const INSTEAD_OF_CONTENT = ['tool_calls', 'function_call', ...REASONING];
/** Roles of messages with function results, which some templates expect as objects. */
const RESULT_ROLES = ['tool', 'function', 'ipython', 'observation'];

/** @throws {OptionError}; {UnsupportedError} */
export function checkMessages(messages: readonly ChatMessage[]): void {
  messages.forEach((message: unknown, i) => {
    if (typeof message !== 'object' || message === null || Array.isArray(message))
      throw new OptionError(`messages[${i}]`, kindOf(message), 'an object with role and content');
    const { role, content } = message as ChatMessage;
    if (typeof role !== 'string' || role === '')
      throw new OptionError(
        `messages[${i}].role`,
        role === undefined ? 'missing' : kindOf(role),
        "'system', 'user', 'assistant' or 'tool'",
      );
    checkContent(message as ChatMessage, content, `messages[${i}].content`);
  });
}

function checkContent(message: ChatMessage, content: unknown, name: string): void {
  if (typeof content === 'string') return;
  if (content === undefined || content === null) {
    if (INSTEAD_OF_CONTENT.some((field) => isPresent(message[field]))) return;
    throw new OptionError(name, content === null ? 'null' : 'missing', `a string or text parts (role ${message.role})`);
  }
  if (RESULT_ROLES.includes(message.role) && !isParts(content)) return;
  if (!Array.isArray(content)) throw new OptionError(name, kindOf(content), 'a string or an array of text parts');
  content.forEach((part: unknown, i) => {
    if (typeof part !== 'object' || part === null) throw new OptionError(`${name}[${i}]`, kindOf(part), 'a text part');
    const { type, text } = part as Partial<TextPart>;
    if (type !== 'text') throw new UnsupportedError(`${name}[${i}]: a part of type`, String(type), ['text']);
    if (typeof text !== 'string')
      throw new OptionError(`${name}[${i}].text`, text === undefined ? 'missing' : kindOf(text), 'a string');
  });
}

function isPresent(value: unknown): boolean {
  return value !== undefined && value !== null && value !== '' && !(Array.isArray(value) && value.length === 0);
}

function isParts(content: unknown): boolean {
  return Array.isArray(content) && content.some((part) => typeof part === 'object' && part !== null && 'type' in part);
}

function kindOf(value: unknown): string {
  if (value === null) return 'null';
  if (typeof value === 'string') return JSON.stringify(value.slice(0, 40));
  return Array.isArray(value) ? 'an array' : typeof value === 'object' ? 'an object' : String(value);
}

/** Fields that are null are absent: templates handle a missing key, and write "None" for null. */
function withoutNulls(message: ChatMessage): ChatMessage {
  return Object.fromEntries(
    Object.entries(message).filter(([, value]) => value !== null && value !== undefined),
  ) as unknown as ChatMessage;
}

/** Names of the reasoning field. */
function withReasoning(message: ChatMessage): ChatMessage {
  const field = REASONING.find((name) => message[name] !== undefined);
  return field === undefined ? message : { thinking: message[field], ...message, reasoning_content: message[field] };
}

/** Form in which a template expects the text of a message: a string, parts, or either. */
type ContentForm = 'text' | 'parts' | 'either';
const forms = new WeakMap<ChatTemplate, Map<string | undefined, ContentForm>>();

function inForm(message: ChatMessage, form: ContentForm): ChatMessage {
  const { content } = message;
  if (typeof content === 'string')
    return form === 'parts' ? { ...message, content: [{ type: 'text', text: content }] } : message;
  if (form !== 'text' || !Array.isArray(content) || !content.every(isTextPart)) return message;
  return { ...message, content: content.map(({ text }) => text).join('\n') };
}

function isTextPart(part: unknown): part is TextPart {
  return typeof part === 'object' && part !== null && 'text' in part && typeof part.text === 'string';
}

/** Detects the form by rendering one message in both forms. */
function formOf(template: ChatTemplate, name: string | undefined): ContentForm {
  const known = forms.get(template) ?? new Map<string | undefined, ContentForm>();
  forms.set(template, known);
  let form = known.get(name);
  if (form === undefined) {
    const probe = 'espalierProbe';
    const shows = (content: unknown): boolean => {
      try {
        const text = template.render([{ role: 'user', content }], { template: name, addGenerationPrompt: true });
        // a printed list also contains its field names
        return text.includes(probe) && !/["']text["']\s*:\s*["']espalierProbe/.test(text);
      } catch (error) {
        if (error instanceof ChatTemplateError) return false;
        throw error;
      }
    };
    const takesParts = shows([{ type: 'text', text: probe }]);
    form = !takesParts ? 'text' : shows(probe) ? 'either' : 'parts';
    known.set(name, form);
  }
  return form;
}
