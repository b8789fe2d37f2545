/** Pages of keys and values: f32 values, rounded to the precision of the cache format. */
import { OptionError } from '../../core/errors.ts';
import { PAGE_POSITIONS, type Page, type PageState, type PageStore } from '../../graph/step.ts';
import type { BlockFormat } from '../../tensor/blockFormat.ts';

interface ReferenceState extends PageState {
  readonly values: Float32Array;
}

/** [PAGE_POSITIONS, G·K] per layer. */
export class ReferencePage implements Page {
  readonly store: ReferencePages;
  readonly keys: Float32Array[];
  readonly values: Float32Array[];
  state?: ReferenceState;
  partial?: (bigint | undefined)[];

  constructor(store: ReferencePages) {
    const empty = () => store.widths.map((width) => new Float32Array(PAGE_POSITIONS * width));
    this.store = store;
    this.keys = empty();
    this.values = empty();
  }
}

export class ReferencePages implements PageStore {
  readonly widths: readonly number[];
  readonly pageBytes: number;
  readonly stateBytes: number;
  readonly #format: BlockFormat;
  readonly #live = new Set<ReferencePage>();

  /** @param widths per layer: key heads times head size @param stateElements of one sequence */
  constructor(widths: readonly number[], stateElements: number, format: BlockFormat) {
    this.widths = widths;
    this.#format = format;
    this.stateBytes = 4 * stateElements;
    this.pageBytes = widths.reduce((sum, width) => sum + 2 * 4 * PAGE_POSITIONS * width, 0);
  }

  /** Bytes of all pages. */
  get bytes(): number {
    let bytes = this.#live.size * this.pageBytes;
    for (const { state } of this.#live) if (state) bytes += this.stateBytes;
    return bytes;
  }

  allocate(): Page {
    const page = new ReferencePage(this);
    this.#live.add(page);
    return page;
  }

  async copy(from: Page, to: Page): Promise<void> {
    const [source, target] = [this.own(from), this.own(to)];
    for (const layer of this.widths.keys()) {
      target.keys[layer].set(source.keys[layer]);
      target.values[layer].set(source.values[layer]);
    }
    target.partial = source.partial?.slice();
    const { state } = source;
    target.state = state && { position: state.position, values: state.values.slice() };
  }

  addState(page: Page): void {
    this.own(page).state ??= { position: 0, values: new Float32Array(this.stateBytes / 4) };
  }

  dropState(page: Page): void {
    this.own(page).state = undefined;
  }

  release(page: Page): void {
    this.#live.delete(this.own(page));
  }

  /** @throws {OptionError} for a page of another store, or one that was released */
  own(page: Page): ReferencePage {
    if (page instanceof ReferencePage && this.#live.has(page)) return page;
    throw new OptionError('page', 'of another program or released', 'a page that this store allocated');
  }

  /** Stores a row at a position of a page, rounded to the format. @param into keys or values of the page's layer */
  storeRow(into: Float32Array, row: Float32Array, position: number): void {
    const { blockSize, blockBytes } = this.#format;
    const blocks = row.length / blockSize;
    const bytes = new Uint8Array(blocks * blockBytes);
    this.#format.encode(row, 0, bytes, 0, blocks);
    this.#format.decode(bytes, 0, into, (position % PAGE_POSITIONS) * row.length, blocks);
  }
}
