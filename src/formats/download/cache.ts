/** Downloads that are stored, for people and applications that manage the space. Loaded when it is first used. */
import type * as StoredFiles from './storedFiles.ts';

export type { AddOptions, CachedFile, CacheLocation, CacheUsage } from './storedFiles.ts';

type Call<Name extends keyof typeof StoredFiles> = (typeof StoredFiles)[Name];

const storedFiles = () => import('./storedFiles.ts');

/**
 * Downloads all files of a model without loading it, so that a later `load` works offline.
 * @throws {EspalierError} 'CACHE_FULL' with `data.needed` and `data.available` in bytes, or 'NOT_KEPT', where they cannot be
 *   stored; what `load` throws for a source that is no model; the signal's reason
 */
export const add: Call<'add'> = async (...args) => (await storedFiles()).add(...args);

/** Lists stored files. In Node those that Python's tools stored in Hugging Face's cache, too. */
export const list: Call<'list'> = async (...args) => (await storedFiles()).list(...args);

/**
 * Deletes everything that Espalier stored. Hugging Face's own cache is left alone, since other tools use it: delete its
 * files by name. @returns bytes freed
 */
export const clear: Call<'clear'> = async (...args) => (await storedFiles()).clear(...args);

/** Bytes that are stored, and that can still be stored. */
export const usage: Call<'usage'> = async (...args) => (await storedFiles()).usage(...args);

/** Asks the browser not to delete stored files by itself; it may ask the user. @returns true where it agreed. Always in Node */
export const persist: Call<'persist'> = async () => (await storedFiles()).persist();

const remove: Call<'remove'> = async (...args) => (await storedFiles()).remove(...args);

export {
  /**
   * Deletes stored files: of a URL, of `hf:owner/repo/file`, or all of `hf:owner/repo`. A name without a revision means
   * every revision. @returns bytes freed; 0 where nothing was stored @throws {OptionError} for a malformed `hf:` name
   */
  remove as delete,
};
