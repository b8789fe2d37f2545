import fc from 'fast-check';
import { expect, it } from 'vitest';
import { createTokenizer } from '../tokenizer/tokenizer.ts';
import { trainByteLevelBpe } from '../tokenizer/training/byteLevelBpe.ts';
import { shrinkBpe } from '../tokenizer/training/shrinkBpe.ts';
import { largerVocabulary } from './largerVocabulary.ts';

const text = 'the pear and the pearl, the apple and the apples and the appeal of a pearl<|end|>';
const large = await trainByteLevelBpe([text], { size: 257 + 20, special: ['<|end|>'] });
const small = await shrinkBpe(large, [text], { size: 257 + 6 });
const [teacher, student] = [large, small].map(createTokenizer);
const vocabulary = largerVocabulary(small, large, 'a teacher')!;

it('encodes a text as the teacher does', () => {
  const words = ['the', ' pearl', ' apple', 's', ' appeal', ',', ' xyz', '<|end|>', '!'];
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...words), { minLength: 1, maxLength: 20 }), (parts) => {
      const encoded = Int32Array.from(student.encode(parts.join(''), { addBos: false }));
      const { tokens, ends } = vocabulary.encode(encoded, encoded.length);
      const expected = teacher.encode(parts.join(''), { addBos: false });
      expect([...tokens.subarray(0, expected.length)]).toEqual(expected);
      for (const [at, row] of ends.entries()) {
        if (row < 0) continue;
        const options = { special: true };
        expect(student.decode(encoded.subarray(0, at + 1), options)).toBe(
          teacher.decode(tokens.subarray(0, row + 1), options),
        );
      }
      expect(ends.at(-1)).toBe(expected.length - 1);
    }),
    { seed: 1 },
  );
});

it('encodes each sequence on its own', () => {
  const [first, second] = ['the pearl', 'apples, and'].map((part) =>
    student.encode(part, { addBos: false }).slice(0, 4),
  );
  const both = vocabulary.encode(Int32Array.from([...first, ...second]), 4);
  const alone = vocabulary.encode(Int32Array.from(second), 4);
  expect(both.ends.subarray(4).map((row) => row - (row < 0 ? 0 : 4))).toEqual(alone.ends);
});

it("adds the probability of a teacher's token to the student's first token of its text", () => {
  const all = Float32Array.from(large.tokens, (_, id) => Math.sin(id));
  const own = new Float32Array(small.tokens.length);
  vocabulary.project(all, own);
  const sums = new Float64Array(own.length);
  for (const [id, logit] of all.entries()) {
    const [first] = student.encode(teacher.decode([id], { special: true }), { addBos: false });
    const kept = small.tokens.indexOf(large.tokens[id]);
    sums[kept < 0 ? first : kept] += Math.exp(logit);
  }
  for (const [id, sum] of sums.entries()) expect(own[id]).toBeCloseTo(Math.log(sum), 5);
});
