/**
 * Several prompts continued at the same time: each step computes one token of each, so that the weights are read once for
 * all of them. All stand at the same position: those with longer prompts read on while others write already.
 */
import { nextTask } from '#leaf/runtime/nextTask';
import type { Cache } from '../graph/program.ts';
import type { Engine } from './engine.ts';
import type { GenerateOptions } from './generateOptions.ts';
import { type FinishReason, type GenerationRecord, startRecord } from './generation.ts';
import { PieceWriter } from './pieceWriter.ts';
import { createSampler, type Sampler } from './sampling/sampler.ts';

export interface GenerateManyOptions extends Omit<GenerateOptions, 'logProbabilities' | 'seed'> {
  /** Of each prompt's draws; default: new ones each time. */
  readonly seeds?: readonly number[];
}

/** What came behind one of the prompts. */
export interface Continuation {
  readonly text: string;
  readonly ids: readonly number[];
  readonly finishReason: FinishReason;
  /** What its draws began from. */
  readonly seed: number;
}

/** One of the sequences. */
interface Writing {
  readonly prompt: readonly number[];
  readonly sampler: Sampler;
  readonly writer: PieceWriter;
  readonly record: GenerationRecord;
}

/** @param prompts ids, checked @throws {MemoryError} where there is no room for their pasts; the signal's reason */
export async function generateMany(
  engine: Engine,
  prompts: readonly (readonly number[])[],
  options: GenerateManyOptions,
): Promise<Continuation[]> {
  const stops = [options.stop ?? []].flat();
  const all = prompts.map((prompt, i): Writing => {
    const sampler = createSampler({ ...options, seed: options.seeds?.[i] });
    const record = startRecord(prompt.length, sampler.seed);
    return { prompt, sampler, record, writer: new PieceWriter(engine.decoder(), stops, record) };
  });
  const cache = engine.cache(all.length);
  try {
    let position = await readCommonPart(engine, cache, all, options);
    for (; all.some(({ record }) => !record.finishReason); position++) {
      await nextTask();
      options.signal?.throwIfAborted();
      step(engine, cache, all, position, 1);
      for (const [i, writing] of all.entries()) take(engine, writing, i, position + 1, options);
    }
  } finally {
    cache.free();
  }
  return all.map(({ writer, record }) => {
    writer.flush();
    const { text, ids, finishReason = 'stop', seed } = record;
    return { text, ids, finishReason, seed };
  });
}

/** All but the last token of the shortest prompt, of all of them, as many at a time as the program takes. */
async function readCommonPart(
  engine: Engine,
  cache: Cache,
  all: readonly Writing[],
  { signal, onProgress }: GenerateManyOptions,
): Promise<number> {
  const common = Math.min(...all.map(({ prompt }) => prompt.length)) - 1;
  const most = Math.max(1, Math.floor(engine.program.maxTokens / all.length));
  for (let position = 0; position < common; ) {
    await nextTask();
    signal?.throwIfAborted();
    const count = Math.min(most, common - position);
    step(engine, cache, all, position, count);
    position += count;
    const [done, total] = [position, common].map((tokens) => tokens * all.length);
    onProgress?.({ stage: 'prefill', done, total, unit: 'tokens' });
  }
  return common;
}

/** Runs the next tokens of all; those that are over go on with any. Logits are computed where one token is. */
function step(engine: Engine, cache: Cache, all: readonly Writing[], position: number, count: number): void {
  const tokens = new Int32Array(all.length * count);
  for (const [i, { prompt, record }] of all.entries()) {
    for (let t = 0; t < count; t++) {
      const at = position + t;
      tokens[i * count + t] = (at < prompt.length ? prompt[at] : record.ids[at - prompt.length]) ?? 0;
    }
  }
  const rows = count === 1 ? all.map((_, i) => i) : [];
  const outputs = count === 1 ? ['logits'] : [];
  engine.program.run({ cache, tokens, position, rows, outputs, inputs: engine.inputs });
}

/** Samples what follows position − 1, unless the prompt says it. */
function take(engine: Engine, writing: Writing, index: number, position: number, options: GenerateManyOptions): void {
  const { prompt, sampler, writer, record } = writing;
  if (record.finishReason || position < prompt.length) return;
  if (record.ids.length === options.maxTokens) {
    record.finishReason = 'length';
    return;
  }
  const { vocabulary } = engine;
  const logits = engine.program.output('logits').subarray(index * vocabulary, (index + 1) * vocabulary);
  const id = sampler.pick(logits, [...prompt, ...record.ids]);
  if (engine.endOfGeneration.has(id)) {
    record.finishReason = 'stop';
    return;
  }
  writer.push(id);
  if (writer.stopped) record.finishReason = 'stop';
  else if (record.ids.length === options.maxTokens) record.finishReason = 'length';
  else if (position === engine.context) record.finishReason = 'context';
}
