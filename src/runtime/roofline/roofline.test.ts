import fc from 'fast-check';
import { expect, it } from 'vitest';
import { boundOf } from './roofline.ts';

const ceilings = { bytesPerSecond: 10, multiplyAddsPerSecond: 100 };

it('bounds memory-heavy work by memory and compute-heavy work by arithmetic', () => {
  expect(boundOf({ bytes: 20, multiplyAdds: 40 }, ceilings)).toEqual({ seconds: 2, by: 'memory' });
  expect(boundOf({ bytes: 20, multiplyAdds: 800 }, ceilings)).toEqual({ seconds: 8, by: 'arithmetic' });
});

it('never allows work to exceed a ceiling', () => {
  const positive = fc.double({ min: 1e-3, max: 1e12, noNaN: true });
  fc.assert(
    fc.property(
      positive,
      positive,
      positive,
      positive,
      (bytes, multiplyAdds, bytesPerSecond, multiplyAddsPerSecond) => {
        const { seconds } = boundOf({ bytes, multiplyAdds }, { bytesPerSecond, multiplyAddsPerSecond });
        expect(bytes / seconds).toBeLessThanOrEqual(bytesPerSecond * (1 + 1e-9));
        expect(multiplyAdds / seconds).toBeLessThanOrEqual(multiplyAddsPerSecond * (1 + 1e-9));
      },
    ),
  );
});
