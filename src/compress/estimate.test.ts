import { expect, it } from 'vitest';
import { formatByName } from '../tensor/formats.ts';
import { budgetSecondsOf } from './estimate.ts';

it('estimates the search in a budget by every format that it tries', () => {
  const tensor = { name: 'a', shape: [256, 256], format: formatByName('F32'), byteLength: 4 * 65_536 };
  const seconds = (...formats: string[]) =>
    budgetSecondsOf([{ tensor: { ...tensor, read: async () => undefined }, formats: formats.map(formatByName) }], {
      stages: [],
    });
  const [two, three] = [seconds('IQ2_XXS', 'Q8_0'), seconds('IQ2_XXS', 'IQ2_S', 'Q8_0')];
  // formats with a codebook take nearly all of the time
  expect(three / two).toBeCloseTo(2, 1);
  expect(seconds('Q2_K', 'Q8_0')).toBeLessThan(two / 10);
  expect(seconds('IQ2_XXS')).toBe(0);
});
