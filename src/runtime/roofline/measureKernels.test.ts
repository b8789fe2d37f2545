import { expect, it } from 'vitest';
import type { Progress } from '../../core/progress.ts';
import { measureKernels } from './measureKernels.ts';

const quick = { formats: ['Q4_0'], variant: 'baseline', threads: 1, bytes: 2 ** 20, milliseconds: 0 };

it('measures each matrix for one token and for many, and reports progress', async () => {
  const steps: Progress[] = [];
  const { kernels, peaks, skipped, threads } = await measureKernels({
    ...quick,
    onProgress: (step) => steps.push(step),
  });
  expect(kernels).toMatchObject([
    { variant: 'baseline', format: 'Q4_0', rows: 2048, columns: 2048, tokens: 1 },
    { variant: 'baseline', format: 'Q4_0', rows: 2048, columns: 2048, tokens: 64, bound: 'int8' },
    { variant: 'baseline', format: 'Q4_0', rows: 576, columns: 1536, tokens: 1 },
    { variant: 'baseline', format: 'Q4_0', rows: 576, columns: 1536, tokens: 64, bound: 'int8' },
  ]);
  for (const { bytesPerSecond, multiplyAddsPerSecond, tokens } of kernels)
    expect(multiplyAddsPerSecond / bytesPerSecond).toBeCloseTo(tokens * (32 / 18));
  expect(peaks).toEqual({ baseline: { int8: expect.any(Number) } });
  expect([skipped, threads]).toEqual([[], 1]);
  expect(steps).toMatchObject([
    { done: 0, total: 2, item: 'baseline Q4_0 2048 × 2048' },
    { done: 1, total: 2, item: 'baseline Q4_0 576 × 1536' },
  ]);
});

it('stops when it is aborted', async () => {
  const controller = new AbortController();
  const measuring = measureKernels({ ...quick, signal: controller.signal, onProgress: () => controller.abort() });
  await expect(measuring).rejects.toThrow(expect.objectContaining({ name: 'AbortError' }));
});

it.each([
  [{ formats: ['Q9'] }, /block format Q9 is not supported; supported: F32, /],
  [{ variant: 'fast' }, /variant is "fast", expected relaxed-i16 or relaxed-i16-wide or relaxed-i32/],
  [{ bytes: 1 }, /bytes is 1, expected/],
])('rejects %j', async (options, message) => {
  await expect(measureKernels(options)).rejects.toThrow(message);
});
