/** Inference contests. */
import type { Contest } from './contest.ts';
import { type BenchModel, warmPageCache } from './models.ts';

export interface InferenceWork {
  /** Prompt length. Only the logits of the last token are computed. */
  readonly prefill: number;
  /** Number of tokens to generate after the prompt. */
  readonly decode: number;
  /** Repetitions in one process; the median counts. */
  readonly runs: number;
}

export interface Inference extends Contest {
  readonly model: BenchModel;
  readonly work: InferenceWork & Contest['work'];
}

export function inference(model: BenchModel, work: InferenceWork): Inference {
  const { prefill, decode } = work;
  return {
    title: model.title,
    model,
    work: { ...work },
    quickWork: { prefill: Math.ceil(prefill / 8), decode: Math.ceil(decode / 6), runs: 1 },
    prepare: () => warmPageCache(model.file()),
  };
}
