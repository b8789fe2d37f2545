/** The pages of one sequence in a test, taken as it grows. */
import { PAGE_POSITIONS, type Page, type PageStore } from '../../src/graph/step.ts';

export class Pages {
  readonly #store: PageStore;
  readonly #pages: Page[] = [];

  constructor(store: PageStore) {
    this.#store = store;
  }

  /** Allocates pages for a number of positions. */
  upTo(positions: number): readonly Page[] {
    while (this.#pages.length * PAGE_POSITIONS < positions) {
      const page = this.#store.allocate();
      if (this.#store.stateBytes > 0) this.#store.addState(page);
      this.#pages.push(page);
    }
    return this.#pages;
  }

  async copyFrom(other: Pages): Promise<void> {
    const own = this.upTo(other.#pages.length * PAGE_POSITIONS);
    for (const [i, page] of other.#pages.entries()) await this.#store.copy(page, own[i]);
  }

  release(): void {
    for (const page of this.#pages.splice(0)) this.#store.release(page);
  }
}
