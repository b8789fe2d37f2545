import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { sharedData } from '../../../test/sharedData.ts';
import { OptionError, UnsupportedError } from '../../core/errors.ts';
import type { TokenizerSpec } from '../spec.ts';
import { createTokenizer } from '../tokenizer.ts';
import { trainByteLevelBpe } from './byteLevelBpe.ts';
import { characterTokenizer } from './characters.ts';
import { learnMerges, type Merge } from './learnMerges.ts';
import { shrinkBpe } from './shrinkBpe.ts';

/** By the book: count all pairs anew for every merge. Returns each merge as its two byte strings. */
function learnedSlowly(words: ReadonlyMap<string, number>, most: number): string[][] {
  const split = [...words].map(([word, count]) => ({ parts: [...word], count }));
  const merges: string[][] = [];
  while (merges.length < most) {
    const counts = new Map<string, { pair: string[]; count: number }>();
    for (const { parts, count } of split) {
      for (let at = 0; at + 1 < parts.length; at++) {
        const pair = [parts[at], parts[at + 1]];
        const key = JSON.stringify(pair);
        counts.set(key, { pair, count: (counts.get(key)?.count ?? 0) + count });
      }
    }
    const greater = (a: string[], b: string[]) => (a[0] === b[0] ? a[1] > b[1] : a[0] > b[0]);
    let best: { pair: string[]; count: number } | undefined;
    for (const entry of counts.values()) {
      if (!best || entry.count > best.count || (entry.count === best.count && greater(entry.pair, best.pair)))
        best = entry;
    }
    if (!best) break;
    merges.push(best.pair);
    for (const { parts } of split) {
      for (let at = 0; at + 1 < parts.length; at++) {
        if (parts[at] === best.pair[0] && parts[at + 1] === best.pair[1]) parts.splice(at, 2, best.pair.join(''));
      }
    }
  }
  return merges;
}

function texts(merges: Iterable<Merge>): string[][] {
  const symbols = Array.from({ length: 256 }, (_, byte) => String.fromCharCode(byte));
  const found: string[][] = [];
  for (const [left, right] of merges) {
    symbols.push(symbols[left] + symbols[right]);
    found.push([symbols[left], symbols[right]]);
  }
  return found;
}

describe('merges that are learned', () => {
  it('are those of the definition, whatever the words', () => {
    const word = fc.string({ unit: fc.constantFrom('a', 'b', 'c', '\xff'), maxLength: 20 });
    const words = fc.uniqueArray(fc.tuple(word, fc.integer({ min: 1, max: 4 })), {
      selector: ([text]) => text,
      maxLength: 8,
    });
    fc.assert(
      fc.property(words, (list) => {
        expect(texts(learnMerges(list))).toEqual(learnedSlowly(new Map(list), 1000));
      }),
      { seed: 1, numRuns: 300 },
    );
  });

  const reference = 'tokenizers/bpe-train-reference';
  const corpus = sharedData(`${reference}/corpus.en`);
  it.skipIf(!corpus)("are the merges and the vocabulary of Stanford's CS336 reference", async () => {
    const text = readFileSync(corpus!, 'utf8');
    const spec = await trainByteLevelBpe([text], { size: 500, special: ['<|endoftext|>'] });
    const merges = readFileSync(sharedData(`${reference}/merges.txt`)!, 'utf8')
      .trim()
      .split('\n');
    const vocabulary: Record<string, number> = JSON.parse(readFileSync(sharedData(`${reference}/vocab.json`)!, 'utf8'));
    expect(spec.merges).toEqual(merges);
    expect(Object.fromEntries(spec.tokens.map((token, id) => [token, id]))).toEqual(vocabulary);
  });
});

describe('a trained tokenizer', () => {
  const story = 'Once upon a time there was a tree. Once upon a time there was a 😀 in it, naïve and small.';

  it('gives every text back', async () => {
    const spec = await trainByteLevelBpe([story, story], { size: 300, special: ['<|endoftext|>'] });
    const tokenizer = createTokenizer(spec);
    fc.assert(
      fc.property(fc.oneof(fc.string({ unit: 'binary' }), fc.string({ unit: 'grapheme' })), (text) => {
        expect(tokenizer.decode(tokenizer.encode(text, { special: false }))).toBe(text);
      }),
      { seed: 1, numRuns: 500 },
    );
  });

  it('does not depend on the pieces it saw', async () => {
    const options = { size: 320, special: ['<|endoftext|>'] };
    const pieces = story.split(/(?= )/);
    expect(await trainByteLevelBpe(pieces, options)).toEqual(await trainByteLevelBpe([story], options));
  });

  it('learns nothing of its special tokens', async () => {
    const spec = await trainByteLevelBpe(['<|end|>'.repeat(99), 'ab'], { size: 300, special: ['<|end|>'] });
    expect(spec.merges).toEqual(['a b']);
    expect([spec.bos, spec.eos, spec.addBos, spec.tokens.length]).toEqual([0, 0, true, 258]);
    expect(createTokenizer(spec).encode('ab<|end|>')).toEqual([0, 257, 0]);
  });

  it('is smaller than asked for where the text has no more pairs, and refuses a size without room for bytes', async () => {
    expect((await trainByteLevelBpe(['abc'], { size: 1000 })).tokens).toHaveLength(258);
    await expect(trainByteLevelBpe(['abc'], { size: 256, special: ['x'] })).rejects.toThrow(OptionError);
    await expect(trainByteLevelBpe([], { size: 256 })).resolves.toMatchObject({ merges: [], bos: undefined });
  });

  it('tells of its progress, and stops when aborted', async () => {
    const done: number[] = [];
    const onProgress = (progress: { done: number }) => done.push(progress.done);
    await trainByteLevelBpe(['abcd'], { size: 258, onProgress });
    expect(done).toEqual([257, 258]);
    const controller = new AbortController();
    async function* endless() {
      for (let round = 0; ; round++) {
        yield `${story}${round} `;
        if (round === 10) controller.abort(new Error('stopped'));
      }
    }
    await expect(trainByteLevelBpe(endless(), { size: 300, signal: controller.signal })).rejects.toThrow('stopped');
  });
});

describe('a smaller tokenizer of a larger one', () => {
  const text = 'the pear and the pearl, the apple and the apples<|end|>';
  const larger = () => trainByteLevelBpe([text], { size: 257 + 14, special: ['<|end|>'] });

  it('keeps the tokens that the text needs, and what they are merged from', async () => {
    const whole = await larger();
    const small = await shrinkBpe(whole, ['the the the pear pear'], { size: 257 + 5 });
    expect(small.tokens).toHaveLength(257 + 5);
    expect(small.tokens).toEqual(whole.tokens.filter((token) => small.tokens.includes(token)));
    const { encode } = createTokenizer(small);
    expect(encode('the', { addBos: false }).map((id) => small.tokens[id])).toEqual(['the']);
    expect(small.tokens[small.bos!]).toBe('<|end|>');
    expect(small.added.map(({ id }) => small.tokens[id])).toEqual(['<|end|>']);
  });

  it('writes as before what it has all the tokens of, and anything at all in its parts', async () => {
    const whole = await larger();
    const before = createTokenizer(whole);
    const textsOf = (spec: TokenizerSpec, ids: readonly number[]) => ids.map((id) => spec.tokens[id]);
    for (const size of [257, 260, 265, 271]) {
      const small = await shrinkBpe(whole, [text], { size });
      const after = createTokenizer(small);
      fc.assert(
        fc.property(fc.stringMatching(/^[a-z ]*$/), fc.constantFrom('the pearl', 'apples', text), (some, known) => {
          const sample = known + some;
          const [old, now] = [before.encode(sample), after.encode(sample)];
          expect(after.decode(now)).toBe(before.decode(old));
          if (textsOf(whole, old).every((token) => small.tokens.includes(token)))
            expect(textsOf(small, now)).toEqual(textsOf(whole, old));
        }),
        { numRuns: 50, seed: 1 },
      );
    }
  });

  it('says what cannot be', async () => {
    const whole = await larger();
    await expect(shrinkBpe(whole, [text], { size: 200 })).rejects.toThrow(
      /200, expected a whole number of at least 257/,
    );
    await expect(shrinkBpe({ ...whole, kind: 'spm' }, [text], { size: 260 })).rejects.toThrow(UnsupportedError);
  });
});

describe('a tokenizer of characters', () => {
  it('has one token for each, in order, and gives texts of them back', async () => {
    const spec = await characterTokenizer(['é😀a\nb', 'aé€‚'], { special: ['<|end|>'] });
    const tokenizer = createTokenizer(spec);
    const ids = tokenizer.encode('\nabé‚€😀<|end|>', { addBos: false });
    expect(ids).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    expect(tokenizer.vocabSize).toBe(8);
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...'é😀a\nb€‚') }), (text) => {
        const encoded = tokenizer.encode(text, { addBos: false });
        expect(encoded).toHaveLength([...text].length);
        expect(tokenizer.decode(encoded)).toBe(text);
      }),
      { seed: 1 },
    );
  });

  const shakespeare = sharedData('text/tinyshakespeare.txt');
  it.skipIf(!shakespeare)("of Shakespeare has nanoGPT's 65", async () => {
    const spec = await characterTokenizer([readFileSync(shakespeare!, 'utf8')]);
    expect(spec.tokens).toHaveLength(65);
    // nanoGPT: sorted(list(set(text)))
    expect(createTokenizer(spec).encode('\n !AZaz')).toEqual([0, 1, 2, 13, 38, 39, 64]);
  });
});
