/**
 * Continues several prompts at the same time. Each step computes one token of each, so that the weights are read once for
 * all of them. All sequences are at the same position: longer prompts are still read while others already generate.
 */
import { nextTask } from '#leaf/runtime/nextTask';
import type { Cache, StepResult } from '../graph/step.ts';
import { createSampler, type Sampler } from '../sampling/sampler.ts';
import type { Engine } from './engine.ts';
import type { GenerateOptions } from './generateOptions.ts';
import { type FinishReason, type GenerationRecord, startRecord } from './generation.ts';
import { PieceWriter } from './pieceWriter.ts';

export interface GenerateManyOptions extends Omit<GenerateOptions, 'logProbabilities' | 'seed'> {
  /** Seed of each prompt's sampler. Default: random. */
  readonly seeds?: readonly number[];
  /**
   * Called when a part of a text ends, by an end token or a stop string. Returns text that replaces the end
   * and starts the next part, or undefined to finish the text.
   * @param parts number of parts of this text so far
   */
  readonly follow?: (parts: number, index: number) => string | undefined;
}

/** Continuation of one prompt. */
export interface Continuation {
  readonly text: string;
  /** The generated parts without the texts between them. One part unless `follow` is set. */
  readonly parts: readonly string[];
  /** Number of generated tokens. */
  readonly tokens: number;
  /** Finish reason of the last part. */
  readonly finishReason: FinishReason;
  /** Seed of the sampler. */
  readonly seed: number;
}

/** @param prompts valid ids @throws {MemoryError} if there is no memory for the cache @throws the signal's reason */
export async function generateMany(
  engine: Engine,
  prompts: readonly (readonly number[])[],
  options: GenerateManyOptions,
): Promise<Continuation[]> {
  const all = prompts.map((prompt, i) => new Writing(engine, prompt, i, options));
  const cache = engine.cache(all.length);
  try {
    let position = await readCommonPart(engine, cache, all, options);
    for (; all.some(({ finishReason }) => !finishReason); position++) {
      await nextTask();
      options.signal?.throwIfAborted();
      const logits = await step(engine, cache, all, position, 1).output('logits');
      for (const writing of all) writing.take(position + 1, logits);
    }
  } finally {
    cache.free();
  }
  return all.map((writing) => writing.continuation());
}

/** One of the sequences. */
class Writing {
  finishReason: FinishReason | undefined;
  readonly #engine: Engine;
  readonly #index: number;
  readonly #options: GenerateManyOptions;
  readonly #sampler: Sampler;
  /** Given and sampled tokens, including those that are not computed yet. */
  readonly #ids: number[];
  /** Number of given tokens, up to the current part. */
  #given: number;
  #tokens = 0;
  #text = '';
  readonly #parts: string[] = [];
  #record!: GenerationRecord;
  #writer!: PieceWriter;

  constructor(engine: Engine, prompt: readonly number[], index: number, options: GenerateManyOptions) {
    this.#engine = engine;
    this.#index = index;
    this.#options = options;
    this.#sampler = createSampler({ ...options, seed: options.seeds?.[index] });
    this.#ids = [...prompt];
    this.#given = prompt.length;
    this.#begin();
  }

  /** Current length. */
  get length(): number {
    return this.#ids.length;
  }

  /** Next token to compute. For a finished sequence any token will do. */
  idAt(position: number): number {
    return this.#ids[position] ?? 0;
  }

  /** Samples the token at a position from the step's logits, unless it is given. */
  take(position: number, all: Float32Array): void {
    if (this.finishReason || position < this.#given) return;
    const { vocabulary } = this.#engine;
    const logits = all.subarray(this.#index * vocabulary, (this.#index + 1) * vocabulary);
    const reason =
      this.#tokens === this.#options.maxTokens ? 'length' : this.#takeId(this.#sampler.pick(logits, this.#ids));
    if (reason) this.#finish(reason);
  }

  continuation(): Continuation {
    const { finishReason = 'stop' } = this;
    return { text: this.#text, parts: this.#parts, tokens: this.#tokens, finishReason, seed: this.#sampler.seed };
  }

  /** @returns the finish reason if the part ends */
  #takeId(id: number): FinishReason | undefined {
    if (this.#engine.endOfGeneration.has(id)) return 'stop';
    this.#writer.push(id);
    this.#tokens++;
    if (this.#writer.stopped) return 'stop';
    this.#ids.push(id);
    if (this.#tokens === this.#options.maxTokens) return 'length';
    return this.#ids.length > this.#engine.context ? 'context' : undefined;
  }

  #begin(): void {
    const { stop = [] } = this.#options;
    this.#record = startRecord(this.#given, this.#sampler.seed);
    this.#writer = new PieceWriter(this.#engine.decoder(), [stop].flat(), this.#record);
  }

  #finish(reason: FinishReason): void {
    this.#writer.flush();
    this.#text += this.#record.text;
    this.#parts.push(this.#record.text);
    const between = reason === 'stop' ? this.#options.follow?.(this.#parts.length, this.#index) : undefined;
    const ids = between === undefined ? [] : this.#engine.tokenizer.encode(between, { addBos: false, addEos: false });
    const room = this.#ids.length + ids.length < this.#engine.context;
    if (between === undefined || !room) {
      this.finishReason = reason;
      return;
    }
    this.#text += between;
    this.#ids.push(...ids);
    this.#given = this.#ids.length;
    this.#begin();
  }
}

/** Prefills all sequences up to the last token of the shortest prompt, in steps as large as possible. */
async function readCommonPart(
  engine: Engine,
  cache: Cache,
  all: readonly Writing[],
  { signal, onProgress }: GenerateManyOptions,
): Promise<number> {
  const common = Math.min(...all.map(({ length }) => length)) - 1;
  const most = Math.max(1, Math.floor(engine.program.maxTokens / all.length));
  for (let position = 0; position < common; ) {
    await nextTask();
    signal?.throwIfAborted();
    const count = Math.min(most, common - position);
    await step(engine, cache, all, position, count).finished();
    position += count;
    const [done, total] = [position, common].map((tokens) => tokens * all.length);
    onProgress?.({ stage: 'prefill', done, total, unit: 'tokens' });
  }
  return common;
}

/** Runs the next tokens of all sequences. Computes logits if it is one token each. */
function step(engine: Engine, cache: Cache, all: readonly Writing[], position: number, count: number): StepResult {
  const tokens = new Int32Array(all.length * count);
  for (const [i, writing] of all.entries()) {
    for (let t = 0; t < count; t++) tokens[i * count + t] = writing.idAt(position + t);
  }
  const rows = count === 1 ? all.map((_, i) => i) : [];
  const outputs = count === 1 ? ['logits'] : [];
  return engine.program.run({ cache, tokens, position, rows, outputs, inputs: engine.inputs });
}
