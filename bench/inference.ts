/** Contests of tokens computed with a model. */
import type { Contest } from './contest.ts';
import { type BenchModel, warmPageCache } from './models.ts';

export interface InferenceWork {
  /** Tokens of the prompt, computed at once; their last one's logits are wanted. */
  readonly prefill: number;
  /** Tokens computed one after another behind it. */
  readonly decode: number;
  /** Repetitions in one process, of which the median counts. */
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
