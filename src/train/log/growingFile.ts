/** A text file that grows, as both platforms have it. */
export interface GrowingFile {
  /** The whole text; empty where there was no file. */
  text(): Promise<string>;
  /** Cuts the file to a beginning of its text. */
  set(beginning: string): Promise<void>;
  append(text: string): Promise<void>;
  flush(): Promise<void>;
  close(): Promise<void>;
}
