/** The pages of one sequence, of which the first may be shared with others. */
import { PAGE_POSITIONS, type Page, pageIndex } from '../../graph/step.ts';
import type { PagePool } from './pagePool.ts';
import { stateInterval } from './stateRoom.ts';

const NONE = -1;

export class PagedCache {
  readonly #pool: PagePool;
  readonly #pages: Page[] = [];
  /** Last page that the last prompt filled. Its state serves a next prompt that differs from this one at its end. */
  #promptEnd = NONE;
  /** Page of the current state. */
  #current = NONE;

  constructor(pool: PagePool) {
    this.#pool = pool;
  }

  get pages(): readonly Page[] {
    return this.#pages;
  }

  get bytes(): number {
    const states = this.#pool.stateBytes === 0 ? 0 : this.#pages.filter(({ state }) => state).length;
    return this.#pages.length * this.#pool.pageBytes + states * this.#pool.stateBytes;
  }

  /** Puts pages that others hold behind its own. */
  adopt(pages: readonly Page[]): void {
    for (const page of pages) {
      this.#pool.retain(page);
      this.#pages.push(page);
    }
    const last = this.#pages.at(-1);
    if (last) this.#pool.keepState(last);
    this.#current = this.#pages.length - 1;
  }

  /**
   * Makes positions from … to−1 writable: takes pages, and copies a page that others hold too.
   * @returns a promise only if a page is copied @throws {MemoryError}
   */
  makeWritable(from: number, to: number): Promise<void> | undefined {
    const first = Math.floor(from / PAGE_POSITIONS);
    const isShared = first < this.#pages.length && this.#pool.holders(this.#pages[first]) > 1;
    while (this.#pages.length * PAGE_POSITIONS < to) this.#pages.push(this.#pool.take());
    if (this.#pool.stateBytes > 0) this.#placeStates(from, to);
    return isShared ? this.#own(first) : undefined;
  }

  /** Releases the state before the current one after a step, unless it is kept. @param positions length of the sequence */
  settle(positions: number): void {
    if (this.#pool.stateBytes === 0) return;
    const before = this.#current;
    this.#current = pageIndex(positions - 1);
    if (before !== this.#current) this.#drop(before);
  }

  /** Greatest position up to `positions` where the sequence can continue: with recurrent states, one of them is there. */
  resumable(positions: number): number {
    if (this.#pool.stateBytes === 0) return positions;
    for (let i = Math.min(pageIndex(positions - 1), this.#pages.length - 1); i >= 0; i--) {
      const at = this.#pages[i].state?.position ?? 0;
      if (at > 0 && at <= positions) return at;
    }
    return 0;
  }

  /** Releases what lies beyond the first `positions` positions. @param positions one that is `resumable` */
  truncate(positions: number): void {
    const kept = Math.ceil(positions / PAGE_POSITIONS);
    for (const page of this.#pages.splice(kept)) this.#pool.release(page);
    this.#current = kept - 1;
    if (this.#promptEnd >= kept) this.#promptEnd = NONE;
  }

  /** A cache with the same first positions, in the same pages until one of both writes there. */
  fork(positions: number): PagedCache {
    const fork = new PagedCache(this.#pool);
    fork.adopt(this.#pages.slice(0, Math.ceil(positions / PAGE_POSITIONS)));
    return fork;
  }

  release(): void {
    this.truncate(0);
  }

  /** Adds states to the pages where a step from … to−1 shall leave one. */
  #placeStates(from: number, to: number): void {
    const last = pageIndex(to - 1);
    if (to - from > 1) {
      const end = pageIndex(to) - 1;
      const before = this.#promptEnd;
      if (end >= pageIndex(from)) this.#promptEnd = end;
      if (before !== this.#promptEnd && before !== this.#current) this.#drop(before);
    }
    for (let i = pageIndex(from); i <= last; i++)
      if (i === last || i === this.#promptEnd || this.#isSnapshot(i)) this.#pool.addState(this.#pages[i]);
  }

  /** Releases the state of a page, unless it is for later. */
  #drop(page: number): void {
    const found = this.#pages[page];
    if (found && page !== this.#promptEnd && !this.#isSnapshot(page)) this.#pool.dropState(found);
  }

  #isSnapshot(page: number): boolean {
    return (page + 1) % stateInterval(this.#pool) === 0;
  }

  async #own(index: number): Promise<void> {
    const shared = this.#pages[index];
    // held here as well, because the cache may be cut back while the copy runs
    this.#pool.retain(shared);
    try {
      const own = await this.#pool.copy(shared);
      const isStillThere = this.#pages[index] === shared;
      if (isStillThere) this.#pages[index] = own;
      this.#pool.release(isStillThere ? shared : own);
    } finally {
      this.#pool.release(shared);
    }
  }
}
