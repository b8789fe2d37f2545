/** Pool of key/value pages that sequences share. Counts references to each page and respects a memory budget. */
import { MemoryError } from '../../core/errors.ts';
import type { Page, PageStore } from '../../graph/step.ts';

export class PagePool {
  /** Maximum pages at a time, if none has a state. */
  readonly budget: number;
  readonly pageBytes: number;
  readonly stateBytes: number;
  readonly #budgetBytes: number;
  #states = 0;
  /** Pages whose states other sequences may continue. */
  readonly #kept = new WeakSet<Page>();
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
    this.stateBytes = store.stateBytes;
    this.#budgetBytes = budgetBytes;
    this.budget = Math.floor(budgetBytes / Math.max(1, store.pageBytes));
  }

  /** Number of pages in use. */
  get pages(): number {
    return this.#holders.size;
  }

  /** Bytes of all pages and states in use. */
  get bytes(): number {
    return this.pages * this.pageBytes + this.#states * this.stateBytes;
  }

  /** Allocates a page. @throws {MemoryError} if budget or memory are exhausted and nothing can be reclaimed */
  take(): Page {
    this.#makeRoom(this.pageBytes, 'another page of keys and values');
    const page = this.#allocate(() => this.#store.allocate());
    this.#holders.set(page, 1);
    return page;
  }

  /** Gives a page room for recurrent states, unless it has it. @throws {MemoryError} as `take` */
  addState(page: Page): void {
    if (page.state) return;
    this.#makeRoom(this.stateBytes, 'recurrent states');
    this.#allocate(() => this.#store.addState(page));
    this.#states++;
  }

  /** Releases the state of a page, unless it is kept. */
  dropState(page: Page): void {
    if (!page.state || this.#kept.has(page)) return;
    this.#store.dropState(page);
    this.#states--;
  }

  /** Keeps the state of a page until the page is released, because another sequence may continue it. */
  keepState(page: Page): void {
    this.#kept.add(page);
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
    else if (this.#holders.delete(page)) {
      if (page.state) this.#states--;
      this.#store.release(page);
    }
  }

  /** Copies a shared page into a new page of the caller. */
  async copy(page: Page): Promise<Page> {
    const own = this.take();
    try {
      if (page.state) this.addState(own);
      await this.#store.copy(page, own);
    } catch (error) {
      this.release(own);
      throw error;
    }
    return own;
  }

  #makeRoom(bytes: number, what: string): void {
    while (this.bytes + bytes > this.#budgetBytes) {
      if (this.#reclaim()) continue;
      const available = Math.max(0, this.#budgetBytes - this.bytes);
      throw new MemoryError(what, bytes, available, { budget: this.budget, pages: this.pages });
    }
  }

  #allocate<T>(allocate: () => T): T {
    for (;;) {
      try {
        return allocate();
      } catch (error) {
        // evict pages that are only kept for reuse
        if (!(error instanceof MemoryError) || !this.#reclaim()) throw error;
      }
    }
  }
}
