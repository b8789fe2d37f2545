/** An append-only text file, implemented for Node and browsers. */
export interface GrowingFile {
  /** Returns the whole text. Empty if the file is new. */
  text(): Promise<string>;
  /** Truncates the file to a prefix of its text. */
  truncateTo(prefix: string): Promise<void>;
  append(text: string): Promise<void>;
  flush(): Promise<void>;
  close(): Promise<void>;
}
