/** KV cache of all sequences of a model: their pages, shared prefixes, and admission of new sequences. */

import { collectGarbage } from '../../core/collectGarbage.ts';
import { EspalierError } from '../../core/errors.ts';
import { PAGE_POSITIONS, type PageStore } from '../../graph/step.ts';
import { Admission, type Reservation } from './admission.ts';
import { PagedCache } from './pagedCache.ts';
import { PagePool } from './pagePool.ts';
import { PrefixTree } from './prefixTree.ts';
import { mostPages, pagesFor } from './stateRoom.ts';

/** Cache of one sequence. Does not reference the sequence, so that a FinalizationRegistry can release it. */
export interface Held {
  /** Undefined once the sequence is freed. */
  cache: PagedCache | undefined;
  /** Reserved room. */
  reservation: Reservation | undefined;
}

/** An idle sequence, whose cache is kept in case it is continued. */
export interface IdleSequence {
  /** Releases its pages. If it is continued, its past is computed again. */
  forget(): void;
}

export interface CacheLimits {
  /** Maximum bytes of all pages. */
  readonly bytes: number;
  /** Maximum bytes of pages without a sequence that are kept for prompts with the same prefix. */
  readonly prefixBytes: number;
}

export const disposedError = (): EspalierError =>
  new EspalierError('DISPOSED', 'this session was disposed, or its model was');

export class CacheMemory {
  readonly pool: PagePool;
  readonly prefixes: PrefixTree;
  readonly admission: Admission;
  /** Least recently used first. Sequences that are not disposed are released by the garbage collector. */
  readonly #idle = new Map<Held, WeakRef<IdleSequence>>();
  readonly #lost = new FinalizationRegistry<Held>((held) => this.release(held));
  readonly #keptPages: number;
  #isCollecting = false;

  constructor(store: PageStore, { bytes, prefixBytes }: CacheLimits) {
    this.pool = new PagePool(store, bytes, () => this.#reclaim());
    this.prefixes = new PrefixTree(this.pool);
    this.admission = new Admission(this.pool.budget, store.pageBytes);
    this.#keptPages = Math.floor(prefixBytes / Math.max(1, store.pageBytes));
  }

  /** Bytes of all pages in use. */
  get bytes(): number {
    return this.pool.bytes;
  }

  /** Number of pages for a sequence of `positions`, including one for a copy of a shared page. */
  pagesFor(positions: number): number {
    return pagesFor(positions, this.pool) + 1;
  }

  /** Maximum positions of one sequence that has the whole budget for itself. */
  get mostPositions(): number {
    return mostPages(Math.max(0, this.pool.budget - 1), this.pool) * PAGE_POSITIONS;
  }

  /** Creates an empty cache for a sequence. */
  open(sequence: IdleSequence): Held {
    const held: Held = { cache: new PagedCache(this.pool), reservation: undefined };
    this.#lost.register(sequence, held, held);
    return held;
  }

  /**
   * Waits until the pages can be reserved.
   * @throws {MemoryError} if they can never be; the signal's reason; {EspalierError} DISPOSED if `release` comes first
   */
  async reserve(held: Held, pages: number, signal?: AbortSignal): Promise<void> {
    // abandoned sequences may hold the pages
    if (this.admission.isFull(pages)) void this.#collect();
    const reservation = await this.admission.reserve(pages, signal, held);
    // `release` may have been called since it was admitted
    if (held.cache) held.reservation = reservation;
    else reservation.release();
  }

  /** Marks a sequence as idle: its pages may be evicted. */
  rest(held: Held, sequence: IdleSequence): void {
    held.reservation?.release();
    held.reservation = undefined;
    this.#idle.delete(held);
    if (held.cache) this.#idle.set(held, new WeakRef(sequence));
    this.trim();
  }

  /** Marks a sequence as active. */
  wake(held: Held): void {
    this.#idle.delete(held);
  }

  /** Releases the cache of a sequence. A second call does nothing. */
  release(held: Held): void {
    this.#lost.unregister(held);
    this.#idle.delete(held);
    this.admission.leave(held, disposedError());
    held.cache?.release();
    held.cache = undefined;
    held.reservation?.release();
    held.reservation = undefined;
    this.trim();
  }

  /** Evicts kept prefixes beyond their budget. Called after sequences have released pages. */
  trim(): void {
    this.prefixes.trim(this.#keptPages);
  }

  /** One collection at a time serves all that wait. */
  async #collect(): Promise<void> {
    if (this.#isCollecting) return;
    this.#isCollecting = true;
    await collectGarbage();
    this.#isCollecting = false;
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
