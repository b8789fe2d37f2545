/** A session: one conversation or text, with its KV cache. */
import { EspalierError } from '../core/errors.ts';
import { createSampler } from '../sampling/sampler.ts';
import type { Engine } from './engine.ts';
import { generate } from './generate.ts';
import { checkGenerateOptions, type GenerateOptions } from './generateOptions.ts';
import { Generation, type Piece, startRecord } from './generation.ts';
import { PieceWriter } from './pieceWriter.ts';
import { encodePrompt, type Prompt } from './prompt.ts';
import type { Sequence } from './sequence.ts';

export class Session {
  readonly #engine: Engine;
  readonly #sequence: Sequence;
  readonly #leave: () => void;
  #busy = false;

  /** For internal use. Applications call `model.session()`. */
  constructor(engine: Engine, sequence: Sequence) {
    this.#engine = engine;
    this.#sequence = sequence;
    this.#leave = engine.enter();
  }

  /** Ids in the cache. A next prompt with this prefix reuses them. */
  get tokens(): readonly number[] {
    return [...this.#sequence.tokens];
  }

  /** Context length in tokens. */
  get context(): number {
    return this.#sequence.context;
  }

  /** Size of the KV cache in bytes. */
  get cacheBytes(): number {
    return this.#sequence.cacheBytes;
  }

  /**
   * Continues a prompt. Always pass the whole prompt; a prefix that is in the cache is not computed again.
   *
   *     for await (const { text } of session.generate('Once upon a time', { maxTokens: 100 })) process.stdout.write(text);
   *
   *     const { text, finishReason } = await session.generate([{ role: 'user', content: 'Hello!' }]).result;
   *
   * @throws at once: {OptionError}; {ContextError} if the prompt is longer than the context. While iterating:
   *   {EspalierError} SESSION_BUSY if another generation of this session is running; the signal's reason
   */
  generate(prompt: Prompt, options: GenerateOptions = {}): Generation {
    checkGenerateOptions(options);
    const { ids, droppedMessages } = encodePrompt(this.#engine, prompt, options);
    const sampler = createSampler(options);
    const record = startRecord(ids.length, sampler.seed, droppedMessages);
    const early = this.#engine.earlyDecoder(options, sampler.seed);
    const pieces = generate({
      sequence: this.#sequence,
      prompt: ids,
      endOfGeneration: this.#engine.endOfGeneration,
      options,
      sampler,
      writer: new PieceWriter(this.#engine.decoder(), [options.stop ?? []].flat(), record),
      record,
      drafts: early || options.draft === 'off' ? undefined : this.#engine.drafts(ids),
      early,
    });
    return new Generation(this.#alone(pieces), record);
  }

  /** Returns an independent session with the same past, in the same pages until one of both continues. */
  clone(): Session {
    return new Session(this.#engine, this.#sequence.fork());
  }

  /** Clears the cache. @throws {EspalierError} SESSION_BUSY */
  reset(): void {
    this.#checkIdle();
    this.#sequence.rewind(0);
  }

  /** Releases the KV cache. A running generation ends with an error. */
  dispose(): void {
    this.#sequence.free();
    this.#leave();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }

  async *#alone(pieces: AsyncGenerator<Piece, void>): AsyncGenerator<Piece, void> {
    this.#checkIdle();
    this.#busy = true;
    try {
      yield* pieces;
    } finally {
      this.#busy = false;
    }
  }

  #checkIdle(): void {
    if (!this.#busy) return;
    const message = 'this session is already generating: finish or stop the generation, or use a clone';
    throw new EspalierError('SESSION_BUSY', message);
  }
}
