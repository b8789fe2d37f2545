/**
 * Conversations as the text a model was trained on, by the Jinja template that comes with it.
 *
 * Templates see what transformers' `apply_chat_template` gives them: messages, tools, documents, add_generation_prompt,
 * bos_token, eos_token, raise_exception, strftime_now. They come from files that may be hostile, so their work is bounded.
 */
import * as jinja from '@huggingface/jinja';
import { EspalierError } from '../core/errors.ts';
import { type SpecialTokens, specialTokenVariables } from './specialTokens.ts';

export interface ChatMessage {
  /** 'system', 'user', 'assistant', 'tool' … */
  readonly role: string;
  /** Text, or parts as some templates take them. */
  readonly content: unknown;
  /** tool_calls, name, reasoning_content … as the template asks for. */
  readonly [field: string]: unknown;
}

export interface RenderOptions {
  /** End with the beginning of the assistant's turn. */
  readonly addGenerationPrompt?: boolean;
  /** JSON schemas of functions. */
  readonly tools?: readonly unknown[];
  /** Further variables: documents, enable_thinking … */
  readonly extra?: Readonly<Record<string, unknown>>;
  /** What strftime_now tells; the present by default. */
  readonly now?: Date;
}

export interface ChatTemplate {
  /** The Jinja source in use. */
  readonly source: string;
  /** @throws {ChatTemplateError} where the template refuses the conversation or fails */
  render(messages: readonly ChatMessage[], options?: RenderOptions): string;
}

/** A template is not valid Jinja, fails while rendering, or refuses the conversation (`data.raised`). */
export class ChatTemplateError extends EspalierError {
  constructor(problem: string, raised: boolean, options?: ErrorOptions) {
    super('CHAT_TEMPLATE', `chat template: ${problem}`, { problem, raised }, options);
  }
}

/** ChatML, for models that come without a template: the format most of them know. */
export const defaultChatTemplate = `{%- for message in messages -%}
{{- '<|im_start|>' + message['role'] + '\\n' + message['content'] + '<|im_end|>' + '\\n' -}}
{%- endfor -%}
{%- if add_generation_prompt -%}
{{- '<|im_start|>assistant\\n' -}}
{%- endif -%}`;

/** What is used of the package, whose type declarations import each other in a way that Node's resolution does not follow. */
interface JinjaEnvironment {
  set(name: string, value: unknown): unknown;
}
declare class JinjaInterpreter {
  constructor(environment: JinjaEnvironment);
  run(program: unknown): { readonly value: unknown };
  evaluate(statement: unknown, environment: JinjaEnvironment): unknown;
  /** The body of an if, a macro, or a loop's round. */
  evaluateBlock(statements: unknown, environment: JinjaEnvironment): unknown;
}
const { Environment, Interpreter, Template } = jinja as unknown as {
  readonly Environment: new () => JinjaEnvironment;
  readonly Interpreter: typeof JinjaInterpreter;
  readonly Template: new (source: string) => { readonly parsed: unknown };
};

/** Expressions that a template may evaluate, and further ones for each message; those in use take tens to hundreds. */
const baseSteps = 500_000;
const stepsOfMessage = 2_000;
/** Steps that a round costs, about as many expressions take its time. */
const stepsOfRound = 6;
const maxRange = 100_000;
const maxCharacters = 1 << 26;

/**
 * @param source Jinja; undefined for ChatML
 * @param tokens texts of the model's special tokens
 * @throws {ChatTemplateError} where the source is not valid
 */
export function createChatTemplate(source: string | undefined, tokens: SpecialTokens = {}): ChatTemplate {
  const text = source ?? defaultChatTemplate;
  const { parsed } = failingAsOurs(() => new Template(text));
  return {
    source: text,
    render(messages, { addGenerationPrompt = false, tools, extra = {}, now = new Date() } = {}) {
      return failingAsOurs(() => {
        const environment = new Environment();
        const variables: Record<string, unknown> = {
          ...constants,
          range: boundedRange,
          raise_exception: (message: unknown) => {
            throw new ChatTemplateError(String(message), true);
          },
          strftime_now: (format: unknown) => strftime(now, String(format)),
          messages,
          tools: tools ?? null,
          documents: null,
          add_generation_prompt: addGenerationPrompt,
          ...specialTokenVariables(tokens),
          ...extra,
        };
        for (const [name, value] of Object.entries(variables)) environment.set(name, value);
        const rendered: unknown = new BoundedInterpreter(environment, baseSteps + stepsOfMessage * messages.length).run(
          parsed,
        ).value;
        if (typeof rendered !== 'string' || rendered.length > maxCharacters)
          throw new ChatTemplateError(`makes more than ${maxCharacters} characters`, false);
        return rendered;
      });
    },
  };
}

const constants = { true: true, True: true, false: false, False: false, none: null, None: null };

/** Stops templates that would not end. */
class BoundedInterpreter extends Interpreter {
  private stepsLeft: number;

  constructor(environment: JinjaEnvironment, steps: number) {
    super(environment);
    this.stepsLeft = steps;
  }

  override evaluate(statement: unknown, environment: JinjaEnvironment): unknown {
    this.spend(1);
    return super.evaluate(statement, environment);
  }

  override evaluateBlock(statements: unknown, environment: JinjaEnvironment): unknown {
    this.spend(stepsOfRound);
    return super.evaluateBlock(statements, environment);
  }

  private spend(steps: number): void {
    this.stepsLeft -= steps;
    if (this.stepsLeft < 0) throw new ChatTemplateError('takes more steps than any conversation needs', false);
  }
}

/** Python's range(stop), range(start, stop), range(start, stop, step). */
function boundedRange(...args: unknown[]): number[] {
  const numbers = args.filter((argument): argument is number => Number.isInteger(argument));
  const [start, stop, step] = [
    numbers.length < 2 ? 0 : numbers[0],
    numbers[numbers.length < 2 ? 0 : 1],
    numbers[2] ?? 1,
  ];
  const count = Math.max(0, Math.ceil((stop - start) / step));
  if (!(count <= maxRange)) throw new ChatTemplateError(`range() of ${count} numbers`, false);
  return Array.from({ length: count }, (_, index) => start + index * step);
}

const days = ['Sunday', 'Monday', 'Tuesday', 'Wednesday', 'Thursday', 'Friday', 'Saturday'];
const months = [
  'January',
  'February',
  'March',
  'April',
  'May',
  'June',
  'July',
  'August',
  'September',
  'October',
  'November',
  'December',
];

/** C's strftime in the C locale and local time, the directives that templates use; %-d leaves the padding out. */
function strftime(date: Date, format: string): string {
  const parts: Record<string, string | number> = {
    Y: date.getFullYear(),
    y: date.getFullYear() % 100,
    m: date.getMonth() + 1,
    d: date.getDate(),
    H: date.getHours(),
    I: date.getHours() % 12 || 12,
    M: date.getMinutes(),
    S: date.getSeconds(),
    p: date.getHours() < 12 ? 'AM' : 'PM',
    A: days[date.getDay()],
    a: days[date.getDay()].slice(0, 3),
    B: months[date.getMonth()],
    b: months[date.getMonth()].slice(0, 3),
    '%': '%',
  };
  return format.replace(/%(-?)([YymdHIMSpAaBb%])/g, (_, bare: string, name: string) => {
    const part = parts[name];
    return bare === '-' ? String(part) : String(part).padStart(typeof part === 'number' ? 2 : 0, '0');
  });
}

/** Whatever the template makes go wrong, a stack overflow included, becomes our error. */
function failingAsOurs<T>(work: () => T): T {
  try {
    return work();
  } catch (cause) {
    if (cause instanceof ChatTemplateError) throw cause;
    throw new ChatTemplateError(cause instanceof Error ? cause.message : String(cause), false, { cause });
  }
}
