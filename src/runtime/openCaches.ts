/**
 * The caches of a model's sessions. A session that was dropped without `dispose()` gives its cache back when the garbage
 * collector finds it, and at the latest when memory runs out.
 */
import { collectGarbage, collectGarbageNow } from '../core/collectGarbage.ts';
import { grouped, MemoryError } from '../core/errors.ts';
import type { Cache } from '../graph/step.ts';

interface Entry {
  readonly owner: WeakRef<object>;
  readonly cache: Cache;
}

/** Lost sessions are looked for when caches take this much, and again whenever they have doubled. */
const FIRST_COLLECTION_BYTES = 2 ** 28;

export class OpenCaches {
  readonly #entries = new Map<Cache, Entry>();
  readonly #lost = new FinalizationRegistry<Cache>((cache) => this.release(cache));

  #collectAt = FIRST_COLLECTION_BYTES;

  /** Bytes of all caches. */
  get bytes(): number {
    let sum = 0;
    for (const { bytes } of this.#entries.keys()) sum += bytes;
    return sum;
  }

  get count(): number {
    return this.#entries.size;
  }

  /** @param owner object whose loss releases the cache; the cache must not refer to it */
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
   * Runs `allocate`; where memory is short, once more after lost sessions were collected.
   * @throws {MemoryError} that names the open sessions and what they hold
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
      const advice = `${this.count} open sessions hold ${grouped(this.bytes)} bytes: dispose of those that are done`;
      throw new MemoryError(what, needed, available, { sessions: this.count, sessionBytes: this.bytes, advice });
    }
  }

  /** Collects garbage, and releases the caches whose owners are gone. */
  #collect(): void {
    const entries = [...this.#entries.values()];
    // looking at an owner keeps it alive for the moment, so no owner is looked at twice
    let next = 0;
    collectGarbageNow(() => entries[next++]?.owner.deref() === undefined);
    for (const { owner, cache } of entries) if (!owner.deref()) this.release(cache);
  }
}
