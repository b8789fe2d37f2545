/** Writes a model whose tensors are solved one after another, and removes what runs have kept beside it. */
import { checkpointFolder } from '#leaf/train/checkpoint/folder';
import { EspalierError } from '../core/errors.ts';
import type { GgufContents } from '../formats/gguf/write.ts';
import { canContinue } from './solvedStore.ts';
import type { NamedSolution } from './solvedTensors.ts';
import { splitPath, writeFile } from './writeFile.ts';

type Work = AsyncGenerator<NamedSolution, void>;

/** The next solution, which is that of a tensor by name. */
export async function nextSolution(work: Work, name: string): Promise<NamedSolution> {
  const { value } = await work.next();
  if (value?.name !== name) throw new EspalierError('BUG', `expected ${name}, got ${value?.name}`);
  return value;
}

/**
 * @param contents their data are `nextSolution` of the work
 * @throws {SourceError} e.g. if the disk is full; what is solved is then kept, as after an abort
 */
export async function writeSolved(
  output: string,
  contents: GgufContents,
  work: Work,
  options: { readonly signal?: AbortSignal },
): Promise<void> {
  try {
    await keeping(output, options.signal, () => writeFile(output, contents, options));
  } finally {
    await work.return(undefined);
  }
}

/**
 * Runs the work of an output, whose store keeps what is measured.
 * @throws the errors of the work; what is kept is removed unless the next run can continue
 */
export async function keeping<R>(output: string, signal: AbortSignal | undefined, work: () => Promise<R>): Promise<R> {
  try {
    const result = await work();
    await removeKept(output);
    return result;
  } catch (error) {
    if (!canContinue(error, signal)) await removeKept(output);
    throw error;
  }
}

/** Removes what any run has kept for an output: solved tensors, measured stages, and a search for formats. */
async function removeKept(output: string): Promise<void> {
  const [path, file] = splitPath(output);
  const folder = checkpointFolder(path);
  for (const name of await folder.list())
    if (name.startsWith(`${file}.solved.`) || name === `${file}.budget.json`) await folder.remove(name);
}
