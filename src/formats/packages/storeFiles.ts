/**
 * File system interface of a store: a folder on disk, the browser's private file system, or memory. Paths are relative to the
 * store's root, with '/' between names.
 */
export interface StoreFiles {
  /** Location for error messages. */
  readonly name: string;
  /** The folder that `deviceFiles` was given. Undefined in memory. */
  readonly folder?: string;
  /** True if written files survive a power failure. */
  readonly isDurable: boolean;
  /** Size of a file in bytes; undefined if there is none. */
  size(path: string): Promise<number | undefined>;
  /** Reads `into.length` bytes from `offset`. @throws {PackageError} BAD_STORE if the file is missing or too short */
  read(path: string, offset: number, into: Uint8Array): Promise<void>;
  /**
   * Creates or overwrites a file. When it resolves, the file survives the end of the process and, with `isDurable`, a power failure. If it rejects or is
   * interrupted, the contents are undefined.
   * @throws {PackageError} STORE_FULL
   */
  write(path: string, bytes: Uint8Array): Promise<void>;
  /** Removes a file. Does nothing if it does not exist. */
  remove(path: string): Promise<void>;
  /** Names of the files and folders in a folder; empty if it does not exist. */
  list(path: string): Promise<readonly string[]>;
  /** Runs `work` while holding the named lock, which is exclusive across processes and tabs. Waits for it. */
  locked<T>(name: string, work: () => Promise<T>, signal?: AbortSignal): Promise<T>;
  /** Marks a generation as in use by this process until the returned function is called or the process ends. */
  hold(generation: string): Promise<() => Promise<void>>;
  /** Generations in use by any process or tab. */
  held(): Promise<ReadonlySet<string>>;
  /** Removes what interrupted writes of processes that have ended left behind. @returns bytes freed */
  sweep(): Promise<number>;
}
