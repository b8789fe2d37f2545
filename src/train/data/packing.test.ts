import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { seededRandom } from '../../core/random.ts';
import { packDocuments } from './packing.ts';

describe('documents packed into sequences', () => {
  it('are complete: each token but the first of a document is a target exactly once', () => {
    const sizes = fc.array(fc.integer({ min: 1, max: 50 }), { maxLength: 60 });
    fc.assert(
      fc.property(sizes, fc.integer({ min: 1, max: 20 }), fc.integer(), (lengths, length, seed) => {
        let end = 0;
        const documents = lengths.map((size) => ({ start: (end += size) - size, length: size }));
        const packed = packDocuments(documents, length, seededRandom(seed));
        const targets: number[] = [];
        for (let i = 0; i < packed.count; i++) {
          const sequence = packed.at(i);
          expect(sequence.reduce((sum, span) => sum + span.length, 0)).toBeLessThanOrEqual(length + 1);
          for (const { start, length } of sequence) for (let at = 1; at < length; at++) targets.push(start + at);
        }
        const expected = documents.flatMap(({ start, length }) =>
          Array.from({ length: length - 1 }, (_, i) => start + 1 + i),
        );
        expect(targets.sort((a, b) => a - b)).toEqual(expected);
      }),
      { seed: 1, numRuns: 300 },
    );
  });

  it('fill the sequences almost completely, and depend only on the seed', () => {
    const random = seededRandom(3);
    let end = 0;
    const documents = Array.from({ length: 2000 }, () => {
      const length = 20 + random.integer(200);
      return { start: (end += length) - length, length };
    });
    const pack = (seed: number) => {
      const packed = packDocuments(documents, 255, seededRandom(seed));
      return Array.from({ length: packed.count }, (_, i) => packed.at(i));
    };
    expect(end / (256 * pack(1).length)).toBeGreaterThan(0.98);
    expect(pack(1)).toEqual(pack(1));
    expect(pack(1)).not.toEqual(pack(2));
  });
});
