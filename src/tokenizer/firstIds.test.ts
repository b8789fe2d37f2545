import { describe, expect, it } from 'vitest';
import { gardenText, makeModel } from '../../scripts/models/index.ts';
import { openCheckpoint } from '../formats/open.ts';
import { firstIds } from './firstIds.ts';
import { createTokenizer, type Tokenizer } from './tokenizer.ts';

const options = { special: false, addEos: false };

describe.each(['llama', 'gpt2', 'gemma3'])('firstIds with the tokenizer of %s', (architecture) => {
  it('returns the ids of the whole text, but encodes a piece of it', async () => {
    const { tokenizer: spec } = await openCheckpoint(await makeModel({ architecture, format: 'F32' }));
    const tokenizer = createTokenizer(spec!);
    const text = gardenText.repeat(Math.ceil(200_000 / gardenText.length));
    const whole = tokenizer.encode(text, options);
    let longest = 0;
    const counting: Tokenizer = {
      ...tokenizer,
      encode(piece, settings) {
        longest = Math.max(longest, piece.length);
        return tokenizer.encode(piece, settings);
      },
    };
    for (const count of [1, 100, 5000]) expect(firstIds(counting, text, count, options)).toEqual(whole.slice(0, count));
    expect(longest).toBeLessThan(text.length / 2);
    expect(firstIds(counting, text, whole.length + 9, options)).toEqual(whole);
  });
});
