/** Pool of key/value pages that sequences share. Counts references to each page and respects a memory budget. */
import { MemoryError } from '../../core/errors.ts';
import type { Page, PageStore } from '../../graph/step.ts';

export class PagePool {
  /** Maximum pages at a time. */
  readonly budget: number;
  readonly pageBytes: number;
  readonly #store: PageStore;
  readonly #holders = new Map<Page, number>();
  readonly #reclaim: () => boolean;

  /**
   * @param budgetBytes maximum bytes of all pages
   * @param reclaim releases at least one page that is only kept for reuse; returns false if there is none
   */
  constructor(store: PageStore, budgetBytes: number, reclaim: () => boolean) {
    this.#store = store;
    this.#reclaim = reclaim;
    this.pageBytes = store.pageBytes;
    this.budget = Math.floor(budgetBytes / Math.max(1, store.pageBytes));
  }

  /** Number of pages in use. */
  get pages(): number {
    return this.#holders.size;
  }

  /** Allocates a page. @throws {MemoryError} if budget or memory are exhausted and nothing can be reclaimed */
  take(): Page {
    while (this.#holders.size >= this.budget) {
      if (!this.#reclaim())
        throw new MemoryError('another page of keys and values', this.pageBytes, 0, {
          budget: this.budget,
          pages: this.pages,
        });
    }
    const page = this.#allocate();
    this.#holders.set(page, 1);
    return page;
  }

  /** Reference count of a page. */
  holders(page: Page): number {
    return this.#holders.get(page) ?? 0;
  }

  retain(page: Page): void {
    this.#holders.set(page, this.holders(page) + 1);
  }

  release(page: Page): void {
    const holders = this.holders(page);
    if (holders > 1) this.#holders.set(page, holders - 1);
    else if (this.#holders.delete(page)) this.#store.release(page);
  }

  /** Copies a shared page into a new page of the caller. */
  async copy(page: Page): Promise<Page> {
    const own = this.take();
    await this.#store.copy(page, own);
    return own;
  }

  #allocate(): Page {
    for (;;) {
      try {
        return this.#store.allocate();
      } catch (error) {
        // evict pages that are only kept for reuse
        if (!(error instanceof MemoryError) || !this.#reclaim()) throw error;
      }
    }
  }
}
