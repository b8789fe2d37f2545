/** Models of the benchmarks: random weights in real shapes, generated once into bench/models, and a real tiny model. */
import { execFileSync } from 'node:child_process';
import { createReadStream, existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { sharedData } from '../test/sharedData.ts';
import { Skipped } from './contest.ts';

export interface BenchModel {
  readonly title: string;
  /** Size of an f16 KV cache per token. */
  readonly cacheBytesPerToken: number;
  /** Returns the path of the file and generates it if necessary. @throws {Skipped} */
  file(): string;
}

const root = fileURLToPath(new URL('..', import.meta.url));
const folder = `${root}bench/models`;

/** Keys and values × layers × KV heads × head size × bytes of an f16; shapes as scripts/makeModel.ts has them. */
const cacheBytesPerToken = { '135m': 2 * 30 * 3 * 64 * 2, '1b': 2 * 16 * 8 * 64 * 2 };

/** @param format as in scripts/makeModel.ts: Q4_K mixes in Q6_K as llama.cpp's Q4_K_M does */
export function randomModel(shape: '135m' | '1b', format: 'Q4_0' | 'Q4_K' | 'Q8_0'): BenchModel {
  return {
    title: `${shape.toUpperCase()} ${format}`,
    cacheBytesPerToken: cacheBytesPerToken[shape],
    file: () => made(`${shape}-${format.toLowerCase()}`, ['--shape', shape, '--format', format]),
  };
}

/**
 * A quarter of the 1B shape's layers and of its vocabulary, all matrices in one format. A token reads 259 million weights,
 * which exceeds the caches in every format (TQ1_0: 55 MB). The files of all formats take 4.7 GB.
 */
export function quarterModel(format: string): BenchModel {
  const size = ['--shape', '1b', '--layers', '4', '--vocab', '8000'];
  return {
    title: `quarter of 1B, all ${format}`,
    cacheBytesPerToken: cacheBytesPerToken['1b'] / 4,
    file: () => made(`1b-quarter-${format.toLowerCase()}`, [...size, '--format', format, '--pure']),
  };
}

/** Generates a file. It appears in the folder only when complete, as others may read it. @param options options of scripts/makeModel.ts */
function made(name: string, options: readonly string[]): string {
  const file = `${folder}/${name}.gguf`;
  if (existsSync(file)) return file;
  console.error(`making ${file}`);
  mkdirSync(folder, { recursive: true });
  const unfinished = `${file}.${process.pid}.part`;
  const args = ['--import', 'tsx', 'scripts/makeModel.ts', ...options, '--out', unfinished];
  try {
    execFileSync(process.execPath, args, { cwd: root, stdio: ['ignore', process.stderr.fd, process.stderr.fd] });
    renameSync(unfinished, file);
  } finally {
    rmSync(unfinished, { force: true });
  }
  return file;
}

const storiesPath = 'weights/stories260K.gguf';

export const stories: BenchModel = {
  title: 'stories260K F32',
  cacheBytesPerToken: 2 * 5 * 4 * 8 * 2,
  file: () => {
    const file = sharedData(storiesPath);
    if (!file) throw new Skipped(`../shared/data/${storiesPath} is missing`);
    return file;
  },
};

/** Reads a file once to bring it into the page cache. */
export async function warmPageCache(file: string): Promise<void> {
  for await (const _ of createReadStream(file, { highWaterMark: 2 ** 22 }));
}
