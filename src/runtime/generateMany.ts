/**
 * Several prompts continued at the same time: each step computes one token of each, so that the weights are read once for
 * all of them. All stand at the same position: those with longer prompts read on while others write already.
 */
import { nextTask } from '#leaf/runtime/nextTask';
import type { Cache, StepResult } from '../graph/step.ts';
import { createSampler, type Sampler } from '../sampling/sampler.ts';
import type { Engine } from './engine.ts';
import type { GenerateOptions } from './generateOptions.ts';
import { type FinishReason, type GenerationRecord, startRecord } from './generation.ts';
import { PieceWriter } from './pieceWriter.ts';

export interface GenerateManyOptions extends Omit<GenerateOptions, 'logProbabilities' | 'seed'> {
  /** Of each prompt's draws; default: new ones each time. */
  readonly seeds?: readonly number[];
  /**
   * Asked where a part of a text has come to its end, by the model or a stop string: what takes the place of the token
   * that ended it, and is gone on from with the next part; undefined: the text is over.
   * @param parts of this text so far
   */
  readonly follow?: (parts: number, index: number) => string | undefined;
}

/** What came behind one of the prompts. */
export interface Continuation {
  readonly text: string;
  /** The text without what was put between its parts; one part unless there is `follow`. */
  readonly parts: readonly string[];
  /** Generated in all. */
  readonly tokens: number;
  /** Of the last part. */
  readonly finishReason: FinishReason;
  /** What its draws began from. */
  readonly seed: number;
}

/** @param prompts ids, checked @throws {MemoryError} where there is no room for their pasts; the signal's reason */
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
  /** What was given or sampled, also beyond what has been computed. */
  readonly #ids: number[];
  /** How many of them were given, up to the part at hand. */
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

  /** How long it is already. */
  get length(): number {
    return this.#ids.length;
  }

  /** Of one that is over, what follows is of no matter. */
  idAt(position: number): number {
    return this.#ids[position] ?? 0;
  }

  /** Samples what stands at a position from the step's logits, unless that is known. */
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

  /** @returns why the part is over, if it is */
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

/** All but the last token of the shortest prompt, of all of them, as many at a time as the program takes. */
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

/** Runs the next tokens of all. Logits are computed where one token is. */
function step(engine: Engine, cache: Cache, all: readonly Writing[], position: number, count: number): StepResult {
  const tokens = new Int32Array(all.length * count);
  for (const [i, writing] of all.entries()) {
    for (let t = 0; t < count; t++) tokens[i * count + t] = writing.idAt(position + t);
  }
  const rows = count === 1 ? all.map((_, i) => i) : [];
  const outputs = count === 1 ? ['logits'] : [];
  return engine.program.run({ cache, tokens, position, rows, outputs, inputs: engine.inputs });
}
