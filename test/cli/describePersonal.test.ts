import { expect, it } from 'vitest';
import { describePersonal } from '../../src/cli/describePersonal.ts';

it('says what a personal adapter consists of', () => {
  const found = { steps: 0, alone: 0, sharedLoss: 2, loss: 2 };
  expect(describePersonal(found)).toBe('training on the own texts did not help, held-out loss 2.0000');
  expect(describePersonal({ ...found, alone: 0.25, loss: 1.5 })).toBe(
    '25% of an adapter that this device trained alone, held-out loss 2.0000 → 1.5000 before the last training on all texts',
  );
  expect(describePersonal({ ...found, steps: 8, loss: 1.5 })).toMatch(/^8 steps on the own texts, held-out loss/);
});
