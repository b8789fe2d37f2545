/** The pages of one sequence, of which the first may be shared with others. */
import { PAGE_POSITIONS, type Page } from '../../graph/step.ts';
import type { PagePool } from './pagePool.ts';

export class PagedCache {
  readonly #pool: PagePool;
  readonly #pages: Page[] = [];

  constructor(pool: PagePool) {
    this.#pool = pool;
  }

  get pages(): readonly Page[] {
    return this.#pages;
  }

  get bytes(): number {
    return this.#pages.length * this.#pool.pageBytes;
  }

  /** Puts pages that others hold behind its own. */
  adopt(pages: readonly Page[]): void {
    for (const page of pages) {
      this.#pool.retain(page);
      this.#pages.push(page);
    }
  }

  /**
   * Makes positions from … to−1 writable: takes pages, and copies a page that others hold too.
   * @returns a promise only if a page is copied @throws {MemoryError}
   */
  makeWritable(from: number, to: number): Promise<void> | undefined {
    const first = Math.floor(from / PAGE_POSITIONS);
    const isShared = first < this.#pages.length && this.#pool.holders(this.#pages[first]!) > 1;
    while (this.#pages.length * PAGE_POSITIONS < to) this.#pages.push(this.#pool.take());
    return isShared ? this.#own(first) : undefined;
  }

  /** Releases what lies beyond the first `positions` positions. */
  truncate(positions: number): void {
    const kept = Math.ceil(positions / PAGE_POSITIONS);
    for (const page of this.#pages.splice(kept)) this.#pool.release(page);
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

  async #own(index: number): Promise<void> {
    const shared = this.#pages[index]!;
    const own = await this.#pool.copy(shared);
    this.#pages[index] = own;
    this.#pool.release(shared);
  }
}
