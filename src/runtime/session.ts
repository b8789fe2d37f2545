/** One sequence of a model: what was said so far, and the keys and values computed of it. */
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
  #busy = false;

  /** Applications get sessions from `model.session()`. */
  constructor(engine: Engine, sequence: Sequence) {
    this.#engine = engine;
    this.#sequence = sequence;
  }

  /** Ids that were computed and need not be again where the next prompt begins with them. */
  get tokens(): readonly number[] {
    return [...this.#sequence.tokens];
  }

  /** Tokens that fit. */
  get context(): number {
    return this.#sequence.context;
  }

  /** Bytes of keys and values. */
  get cacheBytes(): number {
    return this.#sequence.cacheBytes;
  }

  /**
   * Continues a prompt, which is always the whole of it: what the session has computed of it already is reused.
   *
   *     for await (const { text } of session.generate('Once upon a time', { maxTokens: 100 })) process.stdout.write(text);
   *
   *     const { text, finishReason } = await session.generate([{ role: 'user', content: 'Hello!' }]).result;
   *
   * @throws at once: {OptionError}; {ContextError} where the prompt is longer than the context. When iterated:
   *   {EspalierError} SESSION_BUSY while another generation of this session is under way; the signal's reason
   */
  generate(prompt: Prompt, options: GenerateOptions = {}): Generation {
    checkGenerateOptions(options);
    const { ids, droppedMessages } = encodePrompt(this.#engine, prompt, options);
    const sampler = createSampler(options);
    const record = startRecord(ids.length, sampler.seed, droppedMessages);
    const pieces = generate({
      sequence: this.#sequence,
      prompt: ids,
      endOfGeneration: this.#engine.endOfGeneration,
      options,
      sampler,
      writer: new PieceWriter(this.#engine.decoder(), [options.stop ?? []].flat(), record),
      record,
    });
    return new Generation(this.#alone(pieces), record);
  }

  /** A session of its own with the same past; the two do not disturb each other. @throws {MemoryError} */
  clone(): Session {
    return new Session(this.#engine, this.#engine.sequence(this.#sequence));
  }

  /** Forgets everything. @throws {EspalierError} SESSION_BUSY */
  reset(): void {
    this.#checkIdle();
    this.#sequence.rewind(0);
  }

  /** Gives the memory of the keys and values back; a generation under way ends with an error. */
  dispose(): void {
    this.#sequence.free();
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
    const message = 'this session is generating already: take its pieces to the end, stop it, or generate in a clone';
    throw new EspalierError('SESSION_BUSY', message);
  }
}
