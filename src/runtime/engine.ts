/** What a loaded model and its sessions share: the program, the text side, and whether they still live. */
import { ContextError, EspalierError, OptionError } from '../core/errors.ts';
import type { Program, Step } from '../graph/program.ts';
import type { BlockFormat } from '../tensor/blockFormat.ts';
import type { ChatTemplate } from '../tokenizer/chatTemplate.ts';
import type { Decoder, Tokenizer } from '../tokenizer/tokenizer.ts';
import { Timeline } from './timeline.ts';

export class Engine {
  #disposed = false;

  constructor(
    /** The file's name, for errors. */
    readonly name: string,
    readonly program: Program,
    /** Positions of a session's cache. */
    readonly context: number,
    /** Format of keys and values. */
    readonly kv: BlockFormat,
    readonly template: ChatTemplate,
    private readonly optionalTokenizer: Tokenizer | undefined,
    readonly inputs?: Step['inputs'],
  ) {}

  /** V, ids are below it. */
  get vocabulary(): number {
    return this.program.graph.outputs.get('logits')!.shape[1];
  }

  /** @throws {EspalierError} NO_TOKENIZER where the model's files hold none */
  get tokenizer(): Tokenizer {
    if (this.optionalTokenizer) return this.optionalTokenizer;
    throw new EspalierError('NO_TOKENIZER', `${this.name}: it holds no tokenizer, so prompts must be token ids`);
  }

  /** Ids after which a generation is over. */
  get endOfGeneration(): ReadonlySet<number> {
    return this.optionalTokenizer?.endOfGeneration ?? new Set();
  }

  /** Of text that continues a prompt; undefined where there is no tokenizer. */
  decoder(): Decoder | undefined {
    return this.optionalTokenizer?.decoder({ continues: true });
  }

  /** @throws {EspalierError} DISPOSED; {MemoryError} where there is no room for another cache */
  timeline(from?: Timeline): Timeline {
    if (this.#disposed) throw new EspalierError('DISPOSED', `${this.name}: the model was disposed`);
    const cache = this.program.createCache(this.context, this.kv);
    return from ? from.fork(cache) : new Timeline(this, cache);
  }

  get disposed(): boolean {
    return this.#disposed;
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.program.dispose();
  }

  /** @throws {ContextError} naming both numbers; {OptionError} for none at all or an id outside the vocabulary */
  checkTokens(ids: readonly number[], what: string): void {
    if (ids.length === 0) throw new OptionError(what, 'empty', 'at least one token');
    if (ids.length > this.context) {
      const message = `${what} has ${ids.length} tokens but the context holds ${this.context}`;
      throw new ContextError(message, ids.length, this.context);
    }
    const { vocabulary } = this;
    for (const [i, id] of ids.entries()) {
      if (!Number.isInteger(id) || id < 0 || id >= vocabulary)
        throw new OptionError(`id ${i} of ${what}`, id, `a whole number from 0 to ${vocabulary - 1}`);
    }
  }
}
