/** Turns tokens into pieces of text. Holds back incomplete characters and text that may become a stop string. */
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

  /** @param decoder undefined without a tokenizer; pieces then have no text @param record collects all text and ids */
  constructor(decoder: Decoder | undefined, stops: readonly string[], record: GenerationRecord) {
    this.#decoder = decoder;
    this.#stops = new StopStrings(stops);
    this.#record = record;
  }

  /** True once a stop string is found. */
  get stopped(): boolean {
    return this.#stopped;
  }

  /** @returns a piece, or undefined if all text is held back */
  push(id: number, logProbability?: PieceLogProbability): Piece | undefined {
    this.#ids.push(id);
    this.#record.ids.push(id);
    if (logProbability) this.#logProbabilities.push(logProbability);
    if (!this.#decoder) return this.#piece('');
    const { text, found } = this.#stops.push(this.#decoder.push(id));
    this.#stopped = found;
    return text === '' ? undefined : this.#piece(text);
  }

  /** Returns the rest of the text. Call it after the last token. */
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
