/** Types of a generation: its pieces, and the result at the end. */
import type { TokenLogProbability } from '../sampling/logProbabilities.ts';

/** A piece of generated text, always whole characters, and its tokens. Either may be empty. */
export interface Piece {
  readonly text: string;
  readonly ids: readonly number[];
  /** One entry per id, if the option `logProbabilities` is set. */
  readonly logProbabilities?: readonly PieceLogProbability[];
}

export interface PieceLogProbability extends TokenLogProbability {
  /** The most likely tokens at this position, in descending order. */
  readonly topLogProbs: readonly TokenLogProbability[];
}

/**
 * 'stop': an end token or a stop string. 'length': maxTokens is reached. 'context': the context is full.
 * 'aborted': the signal was aborted, or the iteration was ended early.
 */
export type FinishReason = 'stop' | 'length' | 'context' | 'aborted';

export interface GenerationResult {
  /** Text of all pieces. */
  readonly text: string;
  /** Ids of all pieces. The end token is not included. */
  readonly ids: readonly number[];
  readonly promptTokens: number;
  /** Prompt tokens that were already in the session's cache. */
  readonly reusedTokens: number;
  /** Number of the conversation's messages that `overflow: 'dropOldest'` left out of the prompt. */
  readonly droppedMessages: number;
  /** Number of generated tokens: `ids.length`. */
  readonly tokens: number;
  readonly finishReason: FinishReason;
  /** Prompt tokens computed per second. 0 if none were computed. */
  readonly prefillTokensPerSecond: number;
  /** Generated tokens per second, excluding the time that the consumer took. 0 if none were generated. */
  readonly decodeTokensPerSecond: number;
  /** Tokens that were drafted, and those of them that the model chose, too. */
  readonly draftedTokens: number;
  readonly acceptedTokens: number;
  /** Tokens that an early exit chose, with the option `exit: 'calibrated'`. */
  readonly exitedTokens: number;
  /** Reason why the exit was not used to the end of the text, if so. */
  readonly exitProblem?: string;
  /** Seed of the sampler. The same seed and options repeat the generation. */
  readonly seed: number;
}

/** State of a running generation. It is finished when `finishReason` is set. */
export interface GenerationRecord {
  text: string;
  readonly ids: number[];
  readonly promptTokens: number;
  readonly droppedMessages: number;
  reusedTokens: number;
  finishReason?: FinishReason;
  /** Time spent on the prompt, and on the tokens after the first. */
  prefillSeconds: number;
  decodeSeconds: number;
  decodedTokens: number;
  draftedTokens: number;
  acceptedTokens: number;
  exitedTokens: number;
  exitProblem?: string;
  /** True if a token ended the text, which is then in the cache up to its last token. */
  endedByToken: boolean;
  readonly seed: number;
}

export function startRecord(promptTokens: number, seed: number, droppedMessages = 0): GenerationRecord {
  return {
    text: '',
    ids: [],
    promptTokens,
    droppedMessages,
    reusedTokens: 0,
    prefillSeconds: 0,
    decodeSeconds: 0,
    decodedTokens: 0,
    draftedTokens: 0,
    acceptedTokens: 0,
    exitedTokens: 0,
    endedByToken: false,
    seed,
  };
}

function resultOf(record: GenerationRecord): GenerationResult {
  const { text, ids, promptTokens, droppedMessages, reusedTokens, finishReason = 'aborted', seed } = record;
  const rate = (count: number, seconds: number) => (seconds > 0 ? count / seconds : 0);
  return {
    text,
    ids: [...ids],
    promptTokens,
    droppedMessages,
    reusedTokens,
    tokens: ids.length,
    finishReason,
    prefillTokensPerSecond: rate(promptTokens - reusedTokens, record.prefillSeconds),
    decodeTokensPerSecond: rate(record.decodedTokens, record.decodeSeconds),
    draftedTokens: record.draftedTokens,
    acceptedTokens: record.acceptedTokens,
    exitedTokens: record.exitedTokens,
    ...(record.exitProblem !== undefined && { exitProblem: record.exitProblem }),
    seed,
  };
}

/**
 * Starts when it is iterated or its `result` is read, and computes pieces as fast as they are consumed. Iterate it once.
 * If the signal fires, iterating throws the signal's reason, and `result` resolves to the text so far.
 */
export class Generation implements AsyncIterableIterator<Piece> {
  readonly #producer: AsyncGenerator<Piece, void>;
  readonly #record: GenerationRecord;
  readonly #ready: Piece[] = [];
  #advancing: Promise<void> | undefined;
  #done = false;
  #failure: { readonly error: unknown } | undefined;

  /** For internal use. Sessions make generations. */
  constructor(producer: AsyncGenerator<Piece, void>, record: GenerationRecord) {
    this.#producer = producer;
    this.#record = record;
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  async next(): Promise<IteratorResult<Piece, undefined>> {
    while (this.#ready.length === 0 && !this.#done) await this.#advance();
    const value = this.#ready.shift();
    return value ? { value, done: false } : { value: undefined, done: true };
  }

  /** Stops the generation. The session can then start another one. */
  async return(): Promise<IteratorResult<Piece, undefined>> {
    await this.#producer.return();
    this.#done = true;
    this.#ready.length = 0;
    return { value: undefined, done: true };
  }

  /** Resolves when generation ends. Pieces that were not consumed yet can still be iterated. */
  get result(): Promise<GenerationResult> {
    return this.#complete();
  }

  async #complete(): Promise<GenerationResult> {
    // thrown after the loop, because the iterating caller may have received it first
    while (!this.#done) await this.#advance().catch(() => {});
    if (this.#failure && this.#record.finishReason !== 'aborted') throw this.#failure.error;
    return resultOf(this.#record);
  }

  /** Generates the next piece. Concurrent callers share it. */
  #advance(): Promise<void> {
    this.#advancing ??= this.#pull().finally(() => {
      this.#advancing = undefined;
    });
    return this.#advancing;
  }

  async #pull(): Promise<void> {
    try {
      const { value, done } = await this.#producer.next();
      if (done) this.#done = true;
      else this.#ready.push(value);
    } catch (error) {
      this.#done = true;
      this.#failure = { error };
      throw error;
    }
  }
}
