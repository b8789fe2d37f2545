/**
 * The caches of a model's sessions. The cache of a session that was lost without `dispose()` is released when the garbage
 * collector finds the session, at the latest when memory runs out.
 */
import { collectGarbage, collectGarbageNow } from '../core/collectGarbage.ts';
import { grouped, MemoryError } from '../core/errors.ts';
import type { Cache } from '../graph/step.ts';

interface Entry {
  readonly owner: WeakRef<object>;
  readonly cache: Cache;
}

/** Size of all caches at which lost sessions are searched, and again after each doubling. */
const FIRST_COLLECTION_BYTES = 2 ** 28;

export class OpenCaches {
  readonly #entries = new Map<Cache, Entry>();
  readonly #lost = new FinalizationRegistry<Cache>((cache) => this.release(cache));

  #collectAt = FIRST_COLLECTION_BYTES;

  /** Total size of the caches. */
  get bytes(): number {
    let sum = 0;
    for (const { bytes } of this.#entries.keys()) sum += bytes;
    return sum;
  }

  get count(): number {
    return this.#entries.size;
  }

  /** @param owner when it is garbage collected, the cache is released; the cache must not refer to it */
  add(owner: object, cache: Cache): void {
    this.#entries.set(cache, { owner: new WeakRef(owner), cache });
    this.#lost.register(owner, cache, cache);
    const { bytes } = this;
    if (bytes < this.#collectAt) return;
    this.#collectAt = 2 * bytes;
    void collectGarbage();
  }

  /** Releases a cache; a second call does nothing. */
  release(cache: Cache): void {
    if (!this.#entries.delete(cache)) return;
    this.#lost.unregister(cache);
    cache.free();
    this.#collectAt = Math.max(FIRST_COLLECTION_BYTES, Math.min(this.#collectAt, 2 * this.bytes));
  }

  releaseAll(): void {
    for (const cache of [...this.#entries.keys()]) this.release(cache);
  }

  /**
   * Runs `allocate`. If memory is short, collects lost sessions and tries again.
   * @throws {MemoryError} that reports the number and size of open sessions
   */
  withRoom<T>(allocate: () => T): T {
    try {
      return allocate();
    } catch (error) {
      if (!(error instanceof MemoryError)) throw error;
    }
    this.#collect();
    try {
      return allocate();
    } catch (error) {
      if (!(error instanceof MemoryError) || this.count === 0) throw error;
      const { what, needed, available } = error.data as { what: string; needed: number; available: number };
      const advice = `${this.count} open sessions hold ${grouped(this.bytes)} bytes: dispose of unused ones`;
      throw new MemoryError(what, needed, available, { sessions: this.count, sessionBytes: this.bytes, advice });
    }
  }

  /** Collects garbage and releases the caches of collected owners. */
  #collect(): void {
    const entries = [...this.#entries.values()];
    // dereferencing an owner keeps it alive for a moment, so each owner is checked only once
    let next = 0;
    collectGarbageNow(() => entries[next++]?.owner.deref() === undefined);
    for (const { owner, cache } of entries) if (!owner.deref()) this.release(cache);
  }
}
