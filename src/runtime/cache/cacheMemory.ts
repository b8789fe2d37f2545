/** Keys and values of all sequences of a model: their pages, the prefixes they share, and who may fill more. */

import { collectGarbage } from '../../core/collectGarbage.ts';
import { PAGE_POSITIONS, type PageStore } from '../../graph/step.ts';
import { Admission, type Reservation } from './admission.ts';
import { PagedCache } from './pagedCache.ts';
import { PagePool } from './pagePool.ts';
import { PrefixTree } from './prefixTree.ts';

/** What a sequence holds. It does not refer to the sequence, so that it can be released when that is lost. */
export interface Held {
  /** Undefined once the sequence is freed. */
  cache: PagedCache | undefined;
  /** Room that it may fill. */
  reservation: Reservation | undefined;
}

/** A sequence whose past is kept in case it is continued. */
export interface IdleSequence {
  /** Releases its pages; its past is computed again if it is continued. */
  forget(): void;
}

export interface CacheLimits {
  /** Maximum bytes of all pages. */
  readonly bytes: number;
  /** Maximum bytes of pages that no sequence holds any more, kept for prompts that begin alike. */
  readonly prefixBytes: number;
}

export class CacheMemory {
  readonly pool: PagePool;
  readonly prefixes: PrefixTree;
  readonly admission: Admission;
  /** Least recently used first. What is lost without `dispose()` is released when the garbage collector finds it. */
  readonly #idle = new Map<Held, WeakRef<IdleSequence>>();
  readonly #lost = new FinalizationRegistry<Held>((held) => this.release(held));
  readonly #keptPages: number;

  constructor(store: PageStore, { bytes, prefixBytes }: CacheLimits) {
    this.pool = new PagePool(store, bytes, () => this.#reclaim());
    this.prefixes = new PrefixTree(this.pool);
    this.admission = new Admission(this.pool.budget, store.pageBytes);
    this.#keptPages = Math.floor(prefixBytes / Math.max(1, store.pageBytes));
  }

  /** Bytes of all pages that are held. */
  get bytes(): number {
    return this.pool.pages * this.pool.pageBytes;
  }

  /** Pages for a sequence of so many positions, one of which may have to be copied. */
  pagesFor(positions: number): number {
    return Math.ceil(positions / PAGE_POSITIONS) + 1;
  }

  /** Positions that one sequence can have at most, with all of the budget for itself. */
  get mostPositions(): number {
    return Math.max(0, this.pool.budget - 1) * PAGE_POSITIONS;
  }

  /** An empty cache for a sequence. */
  open(sequence: IdleSequence): Held {
    const held: Held = { cache: new PagedCache(this.pool), reservation: undefined };
    this.#lost.register(sequence, held, held);
    return held;
  }

  /** Waits for room for so many pages. @throws {MemoryError} if there can never be; the signal's reason */
  async reserve(held: Held, pages: number, signal?: AbortSignal): Promise<void> {
    // abandoned sequences may hold what is waited for
    if (this.admission.isFull(pages)) void collectGarbage();
    held.reservation = await this.admission.reserve(pages, signal);
  }

  /** Says that a sequence is not continued at the moment: its pages may be taken for others. */
  rest(held: Held, sequence: IdleSequence): void {
    held.reservation?.release();
    held.reservation = undefined;
    this.#idle.delete(held);
    if (held.cache) this.#idle.set(held, new WeakRef(sequence));
    this.trim();
  }

  /** Says that it is continued. */
  wake(held: Held): void {
    this.#idle.delete(held);
  }

  /** Releases all that a sequence holds; a second call does nothing. */
  release(held: Held): void {
    this.#lost.unregister(held);
    this.#idle.delete(held);
    held.cache?.release();
    held.cache = undefined;
    held.reservation?.release();
    held.reservation = undefined;
    this.trim();
  }

  /** Keeps no more prefixes than it may; called where sequences have released pages. */
  trim(): void {
    this.prefixes.trim(this.#keptPages);
  }

  #reclaim(): boolean {
    if (this.prefixes.evict()) return true;
    const [oldest] = this.#idle;
    if (!oldest) return false;
    const [held, sequence] = oldest;
    this.#idle.delete(held);
    const idle = sequence.deref();
    if (idle) idle.forget();
    else this.release(held);
    return true;
  }
}
