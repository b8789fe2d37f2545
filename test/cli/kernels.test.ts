import { expect, test } from 'vitest';
import type { KernelSpeed, Roofline } from '../../src/index.ts';
import { espalier, json } from './espalier.ts';

const quick = ['bench', '--kernels', 'q4_0', '--variant', 'baseline', '--threads', '1', '--time', '1'];

test('bench --kernels reports rates near the peaks of the device', async () => {
  const { threads, readBytesPerSecond, peaks, kernels } = (await json(quick)) as Record<string, unknown> & Roofline;
  expect(threads).toBe(1);
  expect(kernels).toHaveLength(4);
  for (const rate of [readBytesPerSecond, peaks.baseline.int8]) expect(rate).toBeGreaterThan(0);
  const rates = ({ bytesPerSecond, multiplyAddsPerSecond, share }: KernelSpeed) => [
    bytesPerSecond,
    multiplyAddsPerSecond,
    share,
  ];
  for (const rate of kernels.flatMap(rates)) expect(Number.isFinite(rate) && rate > 0).toBe(true);
  // three times the peak cannot be noise: it would be a counting error
  for (const { share } of kernels) expect(share).toBeLessThan(3);
});

test('bench --kernels prints tables', async () => {
  const { code, stdout, stderr } = await espalier(quick);
  expect([code, stderr]).toEqual([0, '']);
  expect(stdout).toMatch(/^memory bandwidth [\d.]+ GB\/s with 1 thread\n/);
  expect(stdout).toMatch(/^one token\nvariant .+\nbaseline +Q4_0 +2048 × 2048 +[\d.]+ +[\d.]+ +\d+% +(memory|int8)$/m);
  expect(stdout).toMatch(/^64 tokens\n/m);
});

test.each([
  [['bench'], /missing required argument 'model'/],
  [['bench', 'model.gguf', '--kernels'], /the model is model\.gguf, expected no model with --kernels/],
  [['bench', 'model.gguf', '--time', '5'], /--time is 5, expected --kernels to be set too/],
  [['bench', '--kernels', 'q9'], /block format Q9 is not supported/],
])('%j: one line and exit code 1', async (args, message) => {
  const { code, stdout, stderr } = await espalier(args);
  expect([code, stdout]).toEqual([1, '']);
  expect(stderr).toMatch(message);
  expect(stderr).toMatch(/^espalier: .+\n$/);
});
