import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { TokenizerSpec } from '../spec.ts';
import { createMergeRules, unnamed } from './mergeRules.ts';
import { WordMerger } from './mergeWord.ts';
import { PairTable } from './pairTable.ts';

const empty = { added: [], addBos: false, addEos: false };

function pieces(spec: TokenizerSpec, word: string): string[] {
  const ids = new Map(spec.tokens.map((text, id) => [text!, id]));
  const found: string[] = [];
  new WordMerger(createMergeRules(spec, ids)).merge(word, (symbol, start, end) => {
    const text = word.slice(start, end);
    if (symbol !== unnamed && symbol < spec.tokens.length) expect(spec.tokens[symbol]).toBe(text);
    found.push(text);
  });
  return found;
}

/** The definition: find the neighbours with the highest priority, of equal ones the leftmost, merge them, and repeat. */
function mergedSlowly(word: string, urgency: (left: string, right: string) => number | undefined): string[] {
  const parts = [...word];
  for (;;) {
    let best = -1;
    let lowest = Number.POSITIVE_INFINITY;
    for (let at = 0; at + 1 < parts.length; at++) {
      const value = urgency(parts[at], parts[at + 1]) ?? Number.POSITIVE_INFINITY;
      if (value < lowest) [best, lowest] = [at, value];
    }
    if (best < 0) return parts;
    parts.splice(best, 2, parts[best] + parts[best + 1]);
  }
}

const letters = fc.constantFrom('a', 'b', 'c', '😀');
const word = fc.string({ unit: letters, maxLength: 40 });
const tokens = fc.uniqueArray(fc.string({ unit: letters, minLength: 1, maxLength: 5 }), {
  minLength: 1,
  maxLength: 40,
});

describe('merging a word', () => {
  it('by a list of merges follows the definition', () => {
    const merges = fc.array(
      fc.tuple(fc.constantFrom('a', 'b', 'ab', 'ba', 'aa'), fc.constantFrom('a', 'b', 'c', 'bb', 'ab')),
    );
    fc.assert(
      fc.property(merges, word, (pairs, text) => {
        const spec: TokenizerSpec = {
          ...empty,
          kind: 'bpe',
          tokens: ['a', 'b', 'ab'],
          merges: pairs.map((pair) => pair.join(' ')),
        };
        const rank = new Map([...pairs.entries()].reverse().map(([index, pair]) => [pair.join(' '), index]));
        expect(pieces(spec, text)).toEqual(mergedSlowly(text, (left, right) => rank.get(`${left} ${right}`)));
      }),
      { seed: 1 },
    );
  });

  it('by scores merges the highest score first', () => {
    fc.assert(
      fc.property(
        tokens,
        fc.array(fc.integer({ min: -4, max: 0 }), { minLength: 40, maxLength: 40 }),
        word,
        (texts, scores, text) => {
          const urgency = (left: string, right: string) => {
            const id = texts.indexOf(left + right);
            return id < 0 ? undefined : -scores[id];
          };
          expect(pieces({ ...empty, kind: 'spm', tokens: texts, scores }, text)).toEqual(mergedSlowly(text, urgency));
        },
      ),
      { seed: 2 },
    );
  });

  it('by ranks merges the lowest id first', () => {
    fc.assert(
      fc.property(tokens, word, (texts, text) => {
        const urgency = (left: string, right: string) => {
          const id = texts.indexOf(left + right);
          return id < 0 ? undefined : id;
        };
        expect(pieces({ ...empty, kind: 'bpe', tokens: texts }, text)).toEqual(mergedSlowly(text, urgency));
      }),
      { seed: 3 },
    );
  });

  it('of 100,000 equal letters takes n log n steps', () => {
    const spec: TokenizerSpec = { ...empty, kind: 'bpe', tokens: ['a', 'aa', 'aaaa'], merges: ['a a', 'aa aa'] };
    expect(pieces(spec, 'a'.repeat(100_001)).length).toBe(25_001);
  });
});

describe('a table of pairs', () => {
  it('keeps the first value of each pair', () => {
    const small = fc.integer({ min: 0, max: 30 });
    fc.assert(
      fc.property(fc.array(fc.tuple(small, small, small)), (entries) => {
        const table = new PairTable(entries.length);
        const expected = new Map<string, number>();
        for (const [left, right, value] of entries) {
          table.add(left, right, value);
          if (!expected.has(`${left} ${right}`)) expected.set(`${left} ${right}`, value);
        }
        for (let left = 0; left <= 30; left++)
          for (let right = 0; right <= 30; right++)
            if (table.get(left, right) !== (expected.get(`${left} ${right}`) ?? -1)) expect.fail(`${left} ${right}`);
      }),
      { seed: 4, numRuns: 30 },
    );
  });
});
