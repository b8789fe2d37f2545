import { describe, expect, it } from 'vitest';
import { Matrices } from '../matrix/matrices.ts';
import { keptColumns } from './keptColumns.ts';

const weights = Float32Array.of(1, 2, 3, 0.5);
const run = async (gram: readonly number[]) => {
  const matrices = await Matrices.create(1);
  try {
    return keptColumns(matrices, weights, { gram: Float32Array.from(gram), size: 4 }, { width: 2, kept: 1 });
  } finally {
    matrices.dispose();
  }
};
const diagonal = (a: number, b: number, c: number, d: number) => [a, 0, 0, 0, 0, b, 0, 0, 0, 0, c, 0, 0, 0, 0, d];

describe('keptColumns', () => {
  it('keeps the part whose removal costs most', async () => {
    const kept = await run(diagonal(1, 1, 1, 1));
    expect([...kept.chosen]).toEqual([1]);
    expect([...kept.weights].map((value) => value.toFixed(3))).toEqual(['3.000', '0.500']);
    expect(kept.notes).toEqual([]);
  });

  it('says what it did where the statistic cannot be factorized', async () => {
    const kept = await run([1, 9, 0, 0, 9, 1, 0, 0, 0, 0, 0.1, 0, 0, 0, 0, 0.1]);
    expect([...kept.chosen]).toEqual([0]);
    expect([...kept.weights]).toEqual([1, 2]);
    expect(kept.notes.join()).toMatch(
      /factorization.* chosen by the importance of each channel alone.*not compensated/,
    );
  });

  it('says that the calibration never fired', async () => {
    expect((await run(diagonal(0, 0, 0, 0))).notes.join()).toMatch(/never fired/);
  });
});
