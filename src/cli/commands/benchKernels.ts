/** `espalier bench --kernels`: prints the roofline of the kernels. */
import { type KernelSpeed, type MeasureKernelsOptions, measureKernels, type Roofline } from '../../index.ts';
import { print, printJson, printTable } from '../output.ts';
import { progressBar } from '../progressBar.ts';

/** @param formats names in any case, or only 'all' */
export async function benchKernels(
  formats: readonly string[] | undefined,
  options: Omit<MeasureKernelsOptions, 'formats' | 'onProgress'>,
  json: boolean | undefined,
): Promise<void> {
  const names = formats?.map((name) => name.toUpperCase());
  const chosen = names?.length === 1 && names[0] === 'ALL' ? 'all' : names;
  const progress = progressBar();
  const measuring = measureKernels({ ...options, formats: chosen, onProgress: progress.onProgress });
  const roofline = await measuring.finally(progress.stop);
  if (json) printJson(roofline);
  else printRoofline(roofline);
}

/** Column titles of the kinds of arithmetic. */
const arithmetics = { int8: 'int8', int16: 'int16', floats: 'f32' } as const;
const bounds = { ...arithmetics, memory: 'memory' } as const;

function printRoofline({ threads, readBytesPerSecond, peaks, kernels, skipped }: Roofline): void {
  print(`memory bandwidth ${giga(readBytesPerSecond)} GB/s with ${threads} ${threads === 1 ? 'thread' : 'threads'}`);
  print('\npeak multiply-adds, GMAC/s');
  printTable(
    ['variant', ...Object.values(arithmetics)],
    Object.entries(peaks).map(([variant, peak]) => [
      variant,
      ...(Object.keys(arithmetics) as (keyof typeof arithmetics)[]).map((name) => giga(peak[name])),
    ]),
  );
  const kinds = [...new Set(kernels.map(({ tokens }) => tokens))];
  for (const tokens of kinds) {
    print(`\n${tokens === 1 ? 'one token' : `${tokens} tokens`}`);
    printTable(
      ['variant', 'format', 'matrix', 'GB/s', 'GMAC/s', 'reached', 'of'],
      kernels.filter((kernel) => kernel.tokens === tokens).map(rowOf),
    );
  }
  for (const { variant, reason } of skipped) print(`\nskipped ${variant}: ${reason}`);
}

function rowOf(kernel: KernelSpeed): string[] {
  const { variant, format, rows, columns, bytesPerSecond, multiplyAddsPerSecond, bound, share } = kernel;
  const rates = [giga(bytesPerSecond), giga(multiplyAddsPerSecond)];
  return [variant, format, `${rows} × ${columns}`, ...rates, `${(100 * share).toFixed(0)}%`, bounds[bound]];
}

function giga(perSecond: number | undefined): string {
  if (perSecond === undefined) return '–';
  return (perSecond / 1e9).toFixed(perSecond < 1e9 ? 2 : 1);
}
