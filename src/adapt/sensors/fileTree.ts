/** A read-only tree of small text files: /sys and /proc, or a recorded copy of them. */
export interface FileTree {
  /** Undefined if the file does not exist or cannot be read. */
  text(path: string): Promise<string | undefined>;
  /** Names in a folder; none if it does not exist. */
  list(path: string): Promise<readonly string[]>;
}

/** A finite number in a file. Undefined if there is none. @param least @param most what is outside is taken for a broken sensor */
export async function numberIn(
  tree: FileTree,
  path: string,
  least = Number.NEGATIVE_INFINITY,
  most = Number.POSITIVE_INFINITY,
): Promise<number | undefined> {
  const text = (await tree.text(path))?.trim();
  if (text === undefined || !/^[-+]?\d+(\.\d+)?([eE][-+]?\d+)?$/.test(text)) return undefined;
  const value = Number(text);
  return Number.isFinite(value) && value >= least && value <= most ? value : undefined;
}
