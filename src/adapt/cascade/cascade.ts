/** Two models: the small one begins every answer, and the large one takes over where the small one's margins say that it should. */
import { OptionError } from '../../core/errors.ts';
import type { GenerateOptions } from '../../runtime/generateOptions.ts';
import type { GenerationResult, Piece } from '../../runtime/generation.ts';
import type { Model } from '../../runtime/model.ts';
import type { Prompt } from '../../runtime/prompt.ts';
import type { Session } from '../../runtime/session.ts';
import { alwaysDefers, type CascadeRule, type CascadeSample, defers } from './cascadeRule.ts';

export interface CascadeAnswer extends Pick<GenerationResult, 'text' | 'tokens' | 'finishReason'> {
  readonly by: 'small' | 'large';
  /** Tokens that the small model has written, including those that were discarded. */
  readonly smallTokens: number;
}

export type CascadeGenerateOptions = Omit<GenerateOptions, 'logProbabilities' | 'exit' | 'exitRisk'>;

export class Cascade {
  readonly #small: Model;
  readonly #large: Model;
  readonly #rule: CascadeRule;

  /** @param rule from `fitCascade`. The models stay the caller's, who disposes of them */
  constructor(small: Model, large: Model, rule: CascadeRule) {
    if (!(rule.tokens >= 1 && rule.quantile >= 0 && rule.quantile <= 1))
      throw new OptionError('rule', JSON.stringify(rule).slice(0, 80), 'a rule of fitCascade');
    this.#small = small;
    this.#large = large;
    this.#rule = rule;
  }

  /**
   * Answers a prompt. Pieces come when it is decided who answers, after the rule's first tokens.
   * @param onPiece called with each piece of the answer @throws what `session.generate` throws
   */
  async generate(
    prompt: Prompt,
    options: CascadeGenerateOptions = {},
    onPiece: (piece: Piece) => unknown = () => undefined,
  ): Promise<CascadeAnswer> {
    if (alwaysDefers(this.#rule)) return this.#byLarge(prompt, options, onPiece, 0);
    const begun = this.#small.session();
    let smallTokens = 0;
    try {
      const { margins, generation, pieces, isOver } = await begin(begun, prompt, options, this.#rule.tokens);
      smallTokens = margins.length;
      if (!defers(this.#rule, margins)) {
        for (const piece of pieces) onPiece(piece);
        if (!isOver) for await (const piece of generation) onPiece(piece);
        const { text, tokens, finishReason } = await generation.result;
        return { text, tokens, finishReason, by: 'small', smallTokens: tokens };
      }
      await generation.return();
    } finally {
      begun.dispose();
    }
    return this.#byLarge(prompt, options, onPiece, smallTokens);
  }

  async #byLarge(
    prompt: Prompt,
    options: CascadeGenerateOptions,
    onPiece: (piece: Piece) => unknown,
    smallTokens: number,
  ): Promise<CascadeAnswer> {
    const session = this.#large.session();
    try {
      const generation = session.generate(prompt, options);
      for await (const piece of generation) onPiece(piece);
      const { text, tokens, finishReason } = await generation.result;
      return { text, tokens, finishReason, by: 'large', smallTokens };
    } finally {
      session.dispose();
    }
  }
}

/** Lets the small model write until it has `tokens` tokens, or its end. */
async function begin(session: Session, prompt: Prompt, options: CascadeGenerateOptions, tokens: number) {
  const generation = session.generate(prompt, { ...options, logProbabilities: 2 });
  const pieces: Piece[] = [];
  const margins: number[] = [];
  let isOver = false;
  while (margins.length < tokens) {
    const next = await generation.next();
    if (next.done) {
      isOver = true;
      break;
    }
    pieces.push(next.value);
    margins.push(...marginsOf(next.value));
  }
  return { margins, generation, pieces, isOver };
}

function marginsOf({ logProbabilities = [] }: Piece): number[] {
  return logProbabilities.map(({ topLogProbs: [first, second] }) =>
    first && second ? first.logProbability - second.logProbability : 0,
  );
}

/** Judges an answer, 0 … 1. */
export type Judge = (prompt: string, answer: readonly number[], by: 'small' | 'large') => number | Promise<number>;

/** An answer of both models to each prompt, judged. @param judge default: `likelihoodJudge` of the large model */
export async function sampleCascade(
  small: Model,
  large: Model,
  prompts: readonly string[],
  judge: Judge,
  options: CascadeGenerateOptions = {},
): Promise<CascadeSample[]> {
  const samples: CascadeSample[] = [];
  for (let first = 0; first < prompts.length; first += TOGETHER) {
    const some = prompts.slice(first, first + TOGETHER);
    samples.push(
      ...(await Promise.all(
        some.map(async (prompt) => {
          const [a, b] = await Promise.all([write(small, prompt, options), write(large, prompt, options)]);
          const [ofSmall, ofLarge] = [await judge(prompt, a.ids, 'small'), await judge(prompt, b.ids, 'large')];
          return { margins: a.margins, small: ofSmall, large: ofLarge };
        }),
      )),
    );
  }
  return samples;
}

/** Prompts that are answered at the same time. */
const TOGETHER = 16;

async function write(model: Model, prompt: string, options: CascadeGenerateOptions) {
  const session = model.session();
  try {
    const generation = session.generate(prompt, { ...options, logProbabilities: 2 });
    const margins: number[] = [];
    for await (const piece of generation) margins.push(...marginsOf(piece));
    return { margins, ids: (await generation.result).ids };
  } finally {
    session.dispose();
  }
}

/** Judges by the geometric mean of the probabilities that a model gives to the answer's tokens. Both models must have its tokens. */
export function likelihoodJudge(model: Model): Judge {
  return async (prompt, answer) => {
    if (answer.length === 0) return 0;
    const start = model.tokenizer.encode(prompt);
    const found = await model.logProbabilities([...start, ...answer]);
    const own = found.slice(start.length - 1);
    return Math.exp(own.reduce((sum, { logProbability }) => sum + logProbability, 0) / own.length);
  };
}
