/**
 * Admission control for the KV cache. A sequence reserves its maximum size before it starts, so that no generation runs out of
 * memory halfway. Sequences that do not fit wait in a first-in, first-out queue; one that can never fit gets a MemoryError.
 */
import { MemoryError } from '../../core/errors.ts';

/** Pages that a sequence has reserved. */
export interface Reservation {
  readonly pages: number;
  /** Reserves more pages without waiting. @throws {MemoryError} if not enough are left */
  grow(pages: number): void;
  release(): void;
}

interface Waiting {
  readonly pages: number;
  readonly owner: object | undefined;
  admit(): void;
  reject(error: Error): void;
}

export class Admission {
  readonly #budget: number;
  readonly #pageBytes: number;
  readonly #waiting: Waiting[] = [];
  #reserved = 0;
  #closed: Error | undefined;

  /** @param budget in pages */
  constructor(budget: number, pageBytes: number) {
    this.#budget = budget;
    this.#pageBytes = pageBytes;
  }

  /** Maximum number of pages that can be reserved. */
  get budget(): number {
    return this.#budget;
  }

  /** True if a reservation of this size would have to wait. */
  isFull(pages: number): boolean {
    return this.#waiting.length > 0 || this.#reserved + pages > this.#budget;
  }

  /**
   * Reserves pages, waiting until they are free. @param owner who may `leave` meanwhile
   * @throws {MemoryError} if they can never be; the signal's reason; that of `close` or `leave`
   */
  async reserve(pages: number, signal?: AbortSignal, owner?: object): Promise<Reservation> {
    if (this.#closed) throw this.#closed;
    signal?.throwIfAborted();
    if (pages > this.#budget) throw this.#tooMuch(pages, this.#budget);
    if (this.isFull(pages)) await this.#turn(pages, signal, owner);
    else this.#reserved += pages;
    return this.#reservation(pages);
  }

  /** Reserves without waiting, possibly 0 pages, to grow later. */
  open(): Reservation {
    return this.#reservation(0);
  }

  /** Rejects all waiting and later reservations. */
  close(error: Error): void {
    this.#closed = error;
    for (const waiting of this.#waiting.splice(0)) waiting.reject(error);
  }

  /** Rejects what an owner waits for, if it does. */
  leave(owner: object, error: Error): void {
    const at = this.#waiting.findIndex((waiting) => waiting.owner === owner);
    if (at < 0) return;
    this.#waiting.splice(at, 1)[0]!.reject(error);
    this.#admit();
  }

  #turn(pages: number, signal?: AbortSignal, owner?: object): Promise<void> {
    return new Promise((resolve, reject) => {
      const onAbort = () => {
        this.#waiting.splice(this.#waiting.indexOf(waiting), 1);
        reject(signal!.reason);
        this.#admit();
      };
      const waiting: Waiting = {
        pages,
        owner,
        admit() {
          signal?.removeEventListener('abort', onAbort);
          resolve();
        },
        reject(error) {
          signal?.removeEventListener('abort', onAbort);
          reject(error);
        },
      };
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#waiting.push(waiting);
    });
  }

  /** Admits waiting sequences in order, while they fit. */
  #admit(): void {
    for (let [next] = this.#waiting; next && this.#reserved + next.pages <= this.#budget; [next] = this.#waiting) {
      this.#waiting.shift();
      this.#reserved += next.pages;
      next.admit();
    }
  }

  #reservation(pages: number): Reservation {
    const admission = this;
    let held = pages;
    return {
      get pages() {
        return held;
      },
      grow(more) {
        if (admission.#reserved + more > admission.#budget)
          throw admission.#tooMuch(more, admission.#budget - admission.#reserved);
        admission.#reserved += more;
        held += more;
      },
      release() {
        admission.#reserved -= held;
        held = 0;
        admission.#admit();
      },
    };
  }

  #tooMuch(pages: number, available: number): MemoryError {
    const what = `room for ${pages} pages of keys and values`;
    return new MemoryError(what, pages * this.#pageBytes, available * this.#pageBytes, {
      pages,
      availablePages: available,
    });
  }
}
