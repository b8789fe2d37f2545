/** The `cache` API: lists, sizes and deletes stored downloads. Its code is loaded on first use. */
import type * as StoredFiles from './storedFiles.ts';

export type { AddOptions, CachedFile, CacheLocation, CacheUsage } from './storedFiles.ts';

type Call<Name extends keyof typeof StoredFiles> = (typeof StoredFiles)[Name];

const storedFiles = () => import('./storedFiles.ts');

/**
 * Downloads all files of a model without loading it, so that a later `load` works offline.
 * @throws {EspalierError} 'CACHE_FULL' with `data.needed` and `data.available` in bytes, or 'NOT_KEPT', where they cannot be
 *   stored; the errors of `load` for an invalid source; the signal's reason
 */
export const add: Call<'add'> = async (...args) => (await storedFiles()).add(...args);

/** Lists stored files. In Node this includes files of Hugging Face's cache that Python tools stored. */
export const list: Call<'list'> = async (...args) => (await storedFiles()).list(...args);

/**
 * Deletes everything that Espalier stored. Hugging Face's own cache is left alone, since other tools use it: delete its
 * files by name. @returns bytes freed
 */
export const clear: Call<'clear'> = async (...args) => (await storedFiles()).clear(...args);

/** Returns the bytes in use and the bytes still available. */
export const usage: Call<'usage'> = async (...args) => (await storedFiles()).usage(...args);

/** Asks the browser not to evict stored files; it may ask the user. @returns true if it agreed; always true in Node */
export const persist: Call<'persist'> = async () => (await storedFiles()).persist();

const remove: Call<'remove'> = async (...args) => (await storedFiles()).remove(...args);

export {
  /**
   * Deletes stored files: of a URL, of `hf:owner/repo/file`, or all of `hf:owner/repo`. A name without a revision means
   * every revision. @returns bytes freed; 0 if nothing was stored @throws {OptionError} for a malformed `hf:` name
   */
  remove as delete,
};
