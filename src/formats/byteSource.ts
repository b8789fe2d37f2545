/** Random access to the bytes of one file, wherever it is: disk, HTTP, memory, a browser's File or OPFS. */
export interface ByteSource {
  /** Path, URL or file name, as errors name it. */
  readonly name: string;
  /** Bytes in all. */
  readonly size: number;
  /**
   * Reads exactly `length` bytes from `offset` into the start of `into` (which may be a view of shared memory).
   * @throws {SourceError} when the bytes cannot be had; {FormatError} when the file ends before them
   */
  read(offset: number, length: number, into: Uint8Array, signal?: AbortSignal): Promise<void>;
  /** Gives file handles back; reading afterwards is an error. */
  close(): Promise<void>;
}
