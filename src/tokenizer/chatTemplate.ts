/**
 * Renders conversations in the format that a model was trained on, with its Jinja template. Templates get the variables of
 * transformers' `apply_chat_template`: messages, tools, documents, add_generation_prompt, the special tokens, raise_exception
 * and strftime_now.
 */
import { OptionError } from '../core/errors.ts';
import type { ChatMessage } from './chatMessage.ts';
import { ChatTemplateError } from './chatTemplateError.ts';
import { continued, markedForContinuation } from './continueMessage.ts';
import { compileTemplate, JinjaError, type Template } from './jinja/index.ts';
import { type SpecialTokens, specialTokenVariables } from './specialTokens.ts';

/** Jinja source, or several templates by name: 'default', 'tool_use', 'rag' … */
export type ChatTemplateSource = string | Readonly<Record<string, string>>;

export interface RenderOptions {
  /** Add the start of the assistant's turn. */
  readonly addGenerationPrompt?: boolean;
  /** Leave the last message open, for the model to continue it. */
  readonly continueFinalMessage?: boolean;
  /** JSON schemas of functions. */
  readonly tools?: readonly unknown[];
  readonly documents?: readonly unknown[];
  /** Name of one of the templates, or Jinja source. Default: 'tool_use' if there are tools and such a template, else 'default'. */
  readonly template?: string;
  /** Additional variables, e.g. enable_thinking. They override the special tokens. */
  readonly extra?: Readonly<Record<string, unknown>>;
  /** Time for strftime_now. Default: now. */
  readonly now?: Date;
}

export interface ChatTemplate {
  /** Jinja source of the template for conversations without tools. */
  readonly source: string;
  /** True if the model has no template, so that ChatML is used. */
  readonly isDefault: boolean;
  /** @throws {ChatTemplateError} if the template refuses the conversation or fails; {OptionError} */
  render(messages: readonly ChatMessage[], options?: RenderOptions): string;
}

/** ChatML, the most common format, for models without a template. */
export const defaultChatTemplate = `{%- for message in messages -%}
{{- '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}
{{- '<|im_start|>assistant\\n' -}}
{%- endif -%}`;

/** Cache of compiled templates that were passed with a call. */
const MAX_COMPILED = 8;

/**
 * @param source undefined for ChatML
 * @param tokens texts of the model's special tokens
 * @throws {ChatTemplateError} if the source is not valid
 */
export function createChatTemplate(source: ChatTemplateSource | undefined, tokens: SpecialTokens = {}): ChatTemplate {
  const named = typeof source === 'object' ? source : { default: source ?? defaultChatTemplate };
  const compiled = new Map<string, Template>();
  const compile = (text: string): Template => {
    const found = compiled.get(text) ?? withOurErrors(() => compileTemplate(text));
    if (compiled.size >= MAX_COMPILED && !compiled.has(text)) compiled.clear();
    compiled.set(text, found);
    return found;
  };
  const main = named.default ?? Object.values(named)[0] ?? defaultChatTemplate;
  compile(main);
  return {
    source: main,
    isDefault: source === undefined,
    render(messages, options = {}) {
      const { addGenerationPrompt = false, continueFinalMessage = false, tools, documents, extra, now } = options;
      if (addGenerationPrompt && continueFinalMessage)
        throw new OptionError('continueFinalMessage', true, 'false where addGenerationPrompt is true');
      const template = compile(chosenSource(named, options));
      const text = withOurErrors(() =>
        template.render(
          {
            ...specialTokenVariables(tokens),
            messages: continueFinalMessage ? markedForContinuation(messages) : messages,
            tools: tools ?? null,
            documents: documents ?? null,
            add_generation_prompt: addGenerationPrompt,
            ...extra,
          },
          { now },
        ),
      );
      if (!continueFinalMessage) return text;
      const open = continued(text, messages);
      if (open === undefined)
        throw new ChatTemplateError('it does not render the last message, which is to be continued', false);
      return open;
    },
  };
}

/** Like createChatTemplate, but an invalid template throws when it is used: the model can still continue texts. */
export function createLenientChatTemplate(
  source: ChatTemplateSource | undefined,
  tokens?: SpecialTokens,
): ChatTemplate {
  try {
    return createChatTemplate(source, tokens);
  } catch (error) {
    if (!(error instanceof ChatTemplateError)) throw error;
    const render = () => {
      throw error;
    };
    return { source: typeof source === 'string' ? source : '', isDefault: false, render };
  }
}

/** Chooses a template as transformers does. @throws {OptionError} if several templates have no default */
function chosenSource(named: Readonly<Record<string, string>>, { template, tools }: RenderOptions): string {
  if (template !== undefined) {
    if (Object.hasOwn(named, template)) return named[template];
    if (template.includes('{')) return template;
    throw new OptionError('chatTemplate', template, `Jinja source or one of ${Object.keys(named).join(', ')}`);
  }
  if (tools !== undefined && Object.hasOwn(named, 'tool_use')) return named.tool_use;
  if (Object.hasOwn(named, 'default')) return named.default;
  throw new OptionError('chatTemplate', 'not given', `one of ${Object.keys(named).join(', ')}, as there is no default`);
}

function withOurErrors<T>(work: () => T): T {
  try {
    return work();
  } catch (cause) {
    if (!(cause instanceof JinjaError)) throw cause;
    throw new ChatTemplateError(cause.message, cause.type === 'TemplateError', cause.line, { cause });
  }
}
