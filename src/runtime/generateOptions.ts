/** Options of a generation. */
import { OptionError } from '../core/errors.ts';
import type { OnProgress } from '../core/progress.ts';
import type { SamplingOptions } from '../sampling/sampler.ts';
import type { ChatOptions } from '../tokenizer/chatPrompt.ts';
import {
  abortSignal,
  callback,
  checkOptions,
  numberAbove,
  numberFrom,
  oneOf,
  type Rule,
  type Rules,
  trueOrFalse,
  wholeNumber,
} from './checkOptions.ts';
import type { GenerateManyOptions } from './generateMany.ts';
import type { PromptOptions } from './prompt.ts';

export interface GenerateOptions extends SamplingOptions, PromptOptions {
  /** Maximum number of generated tokens. Default: the rest of the context. */
  readonly maxTokens?: number;
  /** Stop strings: they end the generation and are not part of the text. */
  readonly stop?: string | readonly string[];
  readonly signal?: AbortSignal;
  /** Progress of the prompt, with stage 'prefill'. */
  readonly onProgress?: OnProgress;
  /** Number of most likely tokens to report per position (`topLogProbs`). Pieces then have `logProbabilities`. Default: none. */
  readonly logProbabilities?: number;
  /**
   * 'lookup': drafts tokens by copying from the prompt and the text so far where they repeat, and verifies several in one step. The text
   * is the same. How many are drafted follows from what it gains on this device. Default 'lookup'.
   */
  readonly draft?: 'lookup' | 'off';
  /**
   * Use of the early exit that the model was loaded with. 'lossless': the exit drafts, and the whole model verifies: the text is the same.
   * 'calibrated': confident tokens are taken from the exit; at most `exitRisk` of the tokens differ from those of the whole model after the
   * same text. It needs temperature 0. Drafts are not copied then. Default 'off'.
   */
  readonly exit?: 'lossless' | 'calibrated' | 'off';
  /** Maximum share of tokens that differ, with exit 'calibrated'. The exit must be calibrated for it, or for less. Default 0.01. */
  readonly exitRisk?: number;
}

const stopText: Rule = {
  expected: 'a string or an array of strings, none of them empty',
  accepts: (value) => [value].flat().every((stop) => typeof stop === 'string' && stop !== ''),
};

const objects: Rule = {
  expected: 'an array of objects',
  accepts: (value) => Array.isArray(value) && value.every((entry) => typeof entry === 'object' && entry !== null),
};

const chatRules: Rules<ChatOptions> = {
  tools: objects,
  documents: objects,
  templateVariables: { expected: 'an object', accepts: (value) => typeof value === 'object' && value !== null },
  chatTemplate: { expected: "a template's name or Jinja source", accepts: (value) => typeof value === 'string' },
  addGenerationPrompt: trueOrFalse,
  continueFinalMessage: trueOrFalse,
};

const rules: Rules<GenerateOptions> = {
  maxTokens: wholeNumber(0),
  temperature: numberFrom(0),
  topK: wholeNumber(0),
  topP: numberAbove(0, 1),
  minP: numberFrom(0, 1),
  repetitionPenalty: numberAbove(0),
  seed: wholeNumber(0),
  stop: stopText,
  signal: abortSignal,
  onProgress: callback,
  logProbabilities: wholeNumber(0, 100),
  draft: oneOf(['lookup', 'off']),
  exit: oneOf(['lossless', 'calibrated', 'off']),
  exitRisk: numberAbove(0, 1),
  ...chatRules,
  overflow: oneOf(['error', 'dropOldest']),
};

/** @throws {OptionError} */
export function checkChatOptions(options: ChatOptions): void {
  checkOptions(options, chatRules);
}

/** @throws {OptionError} */
export function checkGenerateOptions(options: GenerateOptions): void {
  checkOptions(options, rules);
}

/** Checks the options of `generateMany`. @param count number of prompts */
export function checkGenerateManyOptions({ seeds, ...options }: GenerateManyOptions, count: number): void {
  const { seed, logProbabilities: _, draft: __, exit: _exit, exitRisk: _risk, ...others } = rules;
  checkOptions(options, { ...others, nextTurn: callback });
  if (seeds && (seeds.length !== count || !seeds.every(seed.accepts)))
    throw new OptionError('seeds', `${seeds.length} numbers`, `${count} of them, each ${seed.expected}`);
}
