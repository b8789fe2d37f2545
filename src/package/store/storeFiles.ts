/**
 * What a store needs of the place where it keeps files: a folder on disk, the browser's private file system, memory. Paths are names
 * joined by '/', below the store's root.
 */
export interface StoreFiles {
  /** Where it is, for errors. */
  readonly name: string;
  /** Size of a file in bytes; undefined if there is none. */
  size(path: string): Promise<number | undefined>;
  /** Reads `into.length` bytes from `offset`. @throws {PackageError} BAD_STORE if the file is missing or ends before */
  read(path: string, offset: number, into: Uint8Array): Promise<void>;
  /**
   * Creates or overwrites a file. Once it resolves, the file is whole even if power fails; if it does not resolve, the file may hold anything.
   * @throws {PackageError} STORE_FULL
   */
  write(path: string, bytes: Uint8Array): Promise<void>;
  /** Does nothing if there is no such file. */
  remove(path: string): Promise<void>;
  /** Names of the files and folders in a folder; none if it does not exist. */
  list(path: string): Promise<readonly string[]>;
  /** Runs `work` while nobody else, in this or another process or tab, holds the lock of that name. Waits its turn. */
  locked<T>(name: string, work: () => Promise<T>, signal?: AbortSignal): Promise<T>;
  /** Marks a generation as in use by this process until the returned function is called or the process ends. */
  hold(generation: string): Promise<() => Promise<void>>;
  /** Generations in use by any process or tab. */
  held(): Promise<ReadonlySet<string>>;
}
