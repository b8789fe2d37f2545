/** Makes pieces of tokens: waits for whole characters and for text that cannot become a stop string any more. */
import type { Decoder } from '../tokenizer/tokenizer.ts';
import type { GenerationRecord, Piece, PieceLogProbability } from './generation.ts';
import { StopStrings } from './stopStrings.ts';

export class PieceWriter {
  readonly #decoder: Decoder | undefined;
  readonly #stops: StopStrings;
  readonly #record: GenerationRecord;
  #ids: number[] = [];
  #logProbabilities: PieceLogProbability[] = [];
  #stopped = false;

  /** @param decoder absent where there is no tokenizer: pieces have no text @param record takes all text and ids */
  constructor(decoder: Decoder | undefined, stops: readonly string[], record: GenerationRecord) {
    this.#decoder = decoder;
    this.#stops = new StopStrings(stops);
    this.#record = record;
  }

  /** Whether a stop string was found. */
  get stopped(): boolean {
    return this.#stopped;
  }

  /** @returns a piece, unless everything waits */
  push(id: number, logProbability?: PieceLogProbability): Piece | undefined {
    this.#ids.push(id);
    this.#record.ids.push(id);
    if (logProbability) this.#logProbabilities.push(logProbability);
    if (!this.#decoder) return this.#piece('');
    const { text, found } = this.#stops.push(this.#decoder.push(id));
    this.#stopped = found;
    return text === '' ? undefined : this.#piece(text);
  }

  /** What still waits, when no more tokens come. */
  flush(): Piece | undefined {
    let rest = '';
    if (this.#decoder && !this.#stopped) {
      const { text, found } = this.#stops.push(this.#decoder.flush());
      this.#stopped = found;
      rest = text + this.#stops.flush();
    }
    return rest === '' && this.#ids.length === 0 ? undefined : this.#piece(rest);
  }

  #piece(text: string): Piece {
    const logProbabilities = this.#logProbabilities.length > 0 ? this.#logProbabilities : undefined;
    const piece = { text, ids: this.#ids, ...(logProbabilities && { logProbabilities }) };
    this.#record.text += text;
    this.#ids = [];
    this.#logProbabilities = [];
    return piece;
  }
}
