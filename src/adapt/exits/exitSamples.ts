/** Samples of an exit on texts of the model: for every token its margin, and whether it agrees with the whole model. */
import { OptionError } from '../../core/errors.ts';
import type { OnProgress } from '../../core/progress.ts';
import { topMargin } from '../../runtime/exits/exit.ts';
import type { Model } from '../../runtime/model.ts';

/** Prompts that are continued at the same time. */
const TOGETHER = 16;

/** Tokens of one prompt's continuation. */
export interface ExitSample {
  readonly margins: Float32Array;
  /** 1 where the exit chooses the token of the whole model. */
  readonly agrees: Uint8Array;
}

export interface SampleOptions {
  /** Tokens of each continuation. Default 64. */
  readonly tokens?: number;
  readonly signal?: AbortSignal;
  /** Progress with stage 'evaluate'. */
  readonly onProgress?: OnProgress;
}

/**
 * Continues prompts greedily with the whole model, and looks at the exit after each token: margins and agreement given the same text.
 * @param model loaded with an exit
 */
export async function sampleExit(
  model: Model,
  prompts: readonly string[],
  { tokens = 64, signal, onProgress }: SampleOptions = {},
): Promise<ExitSample[]> {
  const { exit } = model;
  if (!(Number.isSafeInteger(tokens) && tokens >= 2))
    throw new OptionError('tokens', tokens, 'a whole number of at least 2: the first one is not sampled');
  if (!exit) throw new OptionError('model', model.summary.source, "one that was loaded with the option 'exit'");
  const samples: ExitSample[] = [];
  for (let first = 0; first < prompts.length; first += TOGETHER) {
    const some = prompts.slice(first, first + TOGETHER);
    const all = await Promise.all(some.map((prompt) => sampleOne(model, exit.tokens, prompt, tokens, signal)));
    // a text that ends at once says nothing
    samples.push(...all.filter(({ margins }) => margins.length > 0));
    onProgress?.({ stage: 'evaluate', done: first + some.length, total: prompts.length, unit: 'texts' });
  }
  return samples;
}

async function sampleOne(
  model: Model,
  known: Int32Array,
  prompt: string,
  maxTokens: number,
  signal?: AbortSignal,
): Promise<ExitSample> {
  const session = model.session();
  try {
    const start = model.tokenizer.encode(prompt);
    const { ids } = await session.generate(start, { maxTokens, temperature: 0, signal }).result;
    const all = [...start, ...ids];
    const rows = ids.slice(1).map((_, i) => start.length + i);
    const [margins, agrees]: [number[], number[]] = [[], []];
    const visit = (row: number, logits: Float32Array) => {
      const { index, margin } = topMargin(logits);
      margins.push(margin);
      agrees.push(known[index] === all[row + 1] ? 1 : 0);
    };
    if (rows.length > 0) await model.evaluate(all.slice(0, -1), rows, visit, { output: 'exit', signal });
    return { margins: Float32Array.from(margins), agrees: Uint8Array.from(agrees) };
  } finally {
    session.dispose();
  }
}

/** Share of a text's tokens that leave at a threshold and differ from the whole model's. */
export function lossAt({ margins, agrees }: ExitSample, threshold: number): number {
  let different = 0;
  for (let i = 0; i < margins.length; i++) if (margins[i] >= threshold && agrees[i] === 0) different++;
  return different / margins.length;
}

/** Share of a text's tokens that leave at a threshold. */
export function exitedAt({ margins }: ExitSample, threshold: number): number {
  let exited = 0;
  for (const margin of margins) if (margin >= threshold) exited++;
  return exited / margins.length;
}
