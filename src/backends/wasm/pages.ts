/** Pages of keys and values in the WebAssembly memory. kernels/parts/cache.ts shows their layout. */
import { OptionError } from '../../core/errors.ts';
import { PAGE_POSITIONS, type Page, type PageState, type PageStore } from '../../graph/step.ts';
import { type BlockFormat, bytesOf } from '../../tensor/blockFormat.ts';
import type { Arena } from './arena.ts';

/** Formats of keys and values. Indices as in kernels/parts/cache.ts. */
const kinds: readonly string[] = ['F32', 'F16', 'Q8_0'];

/** Head size in a page: padded to a multiple of 8. */
export function filledHead(headSize: number): number {
  return Math.ceil(headSize / 8) * 8;
}

/** Bytes of a page. @param layers padded elements per position of each layer's keys */
export function pageBytes(layers: readonly number[], kv: BlockFormat): number {
  return bytesOf(kv, layers.reduce((sum, width) => sum + width, 0) * 2 * PAGE_POSITIONS);
}

/** Recurrent states of all layers, f32. */
interface WasmState extends PageState {
  readonly address: number;
}

export class WasmPage implements Page {
  readonly store: WasmPages;
  readonly address: number;
  state?: WasmState;
  partial?: (bigint | undefined)[];
  isReleased = false;

  constructor(store: WasmPages, address: number) {
    this.store = store;
    this.address = address;
  }
}

export class WasmPages implements PageStore {
  readonly pageBytes: number;
  readonly stateBytes: number;
  /** Number of the format of keys and values. */
  readonly kind: number;
  readonly arena: Arena;

  /**
   * @param layers filled elements per position of each layer's keys @param stateElements of one sequence
   * @throws {OptionError} for an unsupported format
   */
  constructor(arena: Arena, layers: readonly number[], stateElements: number, kv: BlockFormat) {
    this.kind = kinds.indexOf(kv.name);
    if (this.kind < 0) throw new OptionError('kv', kv.name, kinds.join(', '));
    this.pageBytes = pageBytes(layers, kv);
    this.stateBytes = 4 * stateElements;
    this.arena = arena;
  }

  allocate(): Page {
    const address = this.arena.allocate(this.pageBytes, 'a page of keys and values');
    // clear the page: kernels multiply unwritten values by a weight of 0, so they must not be NaN
    new Uint8Array(this.arena.memory.buffer, address, this.pageBytes).fill(0);
    return new WasmPage(this, address);
  }

  async copy(from: Page, to: Page): Promise<void> {
    const [source, target] = [this.#own(from), this.#own(to)];
    const memory = new Uint8Array(this.arena.memory.buffer);
    memory.copyWithin(target.address, source.address, source.address + this.pageBytes);
    target.partial = source.partial?.slice();
    this.dropState(target);
    if (!source.state) return;
    const { position, address } = source.state;
    target.state = { position, address: this.arena.allocate(this.stateBytes, 'recurrent states') };
    memory.copyWithin(target.state.address, address, address + this.stateBytes);
  }

  addState(page: Page): void {
    const own = this.#own(page);
    own.state ??= { position: 0, address: this.arena.allocate(this.stateBytes, 'recurrent states') };
  }

  dropState(page: Page): void {
    const own = this.#own(page);
    if (own.state) this.arena.release(own.state.address);
    own.state = undefined;
  }

  release(page: Page): void {
    const own = this.#own(page);
    this.dropState(own);
    own.isReleased = true;
    this.arena.release(own.address);
  }

  /** @throws {OptionError} for a page of another store, or a released one */
  #own(page: Page): WasmPage {
    if (page instanceof WasmPage && page.store === this && !page.isReleased) return page;
    throw new OptionError('page', 'of another program or released', 'a page that this store allocated');
  }
}
