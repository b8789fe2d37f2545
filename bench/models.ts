/** The models of the comparison: random weights in real shapes, made once into bench/models, and a real tiny one. */
import { execFileSync } from 'node:child_process';
import { createReadStream, existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { sharedData } from '../test/sharedData.ts';
import { Skipped } from './contest.ts';

export interface BenchModel {
  readonly title: string;
  /** Keys and values of one token, f16. */
  readonly cacheBytesPerToken: number;
  /** The path of its file, made where it is missing. @throws {Skipped} */
  file(): string;
}

const root = fileURLToPath(new URL('..', import.meta.url));
const folder = `${root}bench/models`;

/** Keys and values × layers × KV heads × head size × bytes of an f16; shapes as scripts/makeModel.ts has them. */
const cacheBytesPerToken = { '135m': 2 * 30 * 3 * 64 * 2, '1b': 2 * 16 * 8 * 64 * 2 };

/** @param format as scripts/makeModel.ts takes it: Q4_K mixes in Q6_K as llama.cpp's Q4_K_M does */
export function randomModel(shape: '135m' | '1b', format: 'Q4_0' | 'Q4_K' | 'Q8_0'): BenchModel {
  return {
    title: `${shape.toUpperCase()} ${format}`,
    cacheBytesPerToken: cacheBytesPerToken[shape],
    file: () => made(`${shape}-${format.toLowerCase()}`, ['--shape', shape, '--format', format]),
  };
}

/**
 * A quarter of the 1B shape's layers and of its vocabulary, all matrices in one format. A token reads 259 million weights,
 * which are more bytes than caches hold in every format (TQ1_0: 55 MB); the files of all formats take 4.7 GB.
 */
export function quarterModel(format: string): BenchModel {
  const size = ['--shape', '1b', '--layers', '4', '--vocab', '8000'];
  return {
    title: `quarter of 1B, all ${format}`,
    cacheBytesPerToken: cacheBytesPerToken['1b'] / 4,
    file: () => made(`1b-quarter-${format.toLowerCase()}`, [...size, '--format', format, '--pure']),
  };
}

/** Others may be reading the folder: a file appears there when it is whole. @param options of scripts/makeModel.ts */
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
    if (!file) throw new Skipped(`../shared/data/${storiesPath} is not here`);
    return file;
  },
};

/** Reads a file once, so that the runs after it find it in the page cache. */
export async function warmPageCache(file: string): Promise<void> {
  for await (const _ of createReadStream(file, { highWaterMark: 2 ** 22 }));
}
