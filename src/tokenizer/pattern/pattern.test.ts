import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { UnsupportedError } from '../../core/errors.ts';
import { preTokenizers } from '../preTokenizers.ts';
import { literalPattern } from './parse.ts';
import { compilePattern } from './pattern.ts';

function matches(pattern: string, text: string): string[] {
  const found: string[] = [];
  compilePattern(pattern).forEachMatch(text, (start, end) => found.push(text.slice(start, end)));
  return found;
}

/** The same pattern for JavaScript's engine, which defines white space and digits differently. */
function native(pattern: string): RegExp {
  const words: Record<string, string> = { s: '\\p{White_Space}', S: '\\P{White_Space}', d: '\\p{Nd}' };
  return new RegExp(
    pattern.replace(/\\([\s\S])/g, (all, letter: string) => words[letter] ?? all),
    'gu',
  );
}

const text = fc
  .array(
    fc.oneof(
      fc.constantFrom(
        ...[' ', '  ', '\n', '\r\n', '\t', '\u00a0', "'s", "'LL", 'a', 'The', 'É', 'ß', '中', 'カ', '1', '23', '½'],
      ),
      fc.constantFrom(...['!', '?!', '$', '+', '_', '`', '/', '😀', '𝔘', '\u0301', '\ud800', '\u0085', '\ufeff']),
      // letters of Unicode 15 and before: the engine may know newer ones
      fc.constantFrom(...['ڈ', 'ẽ', '한', '𐎀', '٣', '⅘', '«', '₿', '\u{1f600}']),
    ),
    { maxLength: 24 },
  )
  .map((parts) => parts.join(''));

describe('a pattern', () => {
  it("matches the same as JavaScript's engine", () => {
    const patterns = [...new Set([...preTokenizers.values()].flatMap((entry) => entry.patterns))];
    // intersections of classes need a flag that names and literals elsewhere do not survive
    const comparable = patterns.filter((pattern) => !pattern.includes('&&'));
    expect(comparable.length).toBeGreaterThan(12);
    for (const pattern of [
      ...comparable,
      'a|ab|abc',
      '(?:ab?|b)+?c|b*',
      '(?:a|b){2,3}|1',
      'x*(?=y|$)|y(?!x)',
      '[^a-c]{0,2}?d?',
    ]) {
      const ours = compilePattern(pattern);
      const theirs = native(pattern);
      fc.assert(
        fc.property(text, (sample) => {
          const found: string[] = [];
          ours.forEachMatch(sample, (start, end) => found.push(sample.slice(start, end)));
          expect(found, pattern).toEqual(
            [...sample.matchAll(theirs)].map(([match]) => match).filter((match) => match !== ''),
          );
        }),
        { seed: 1, numRuns: 300 },
      );
    }
  });

  it('supports syntax that JavaScript does not have', () => {
    expect(matches("(?i:'s|'k)", "'S 's 'ſ 'K 'x")).toEqual(["'S", "'s", "'ſ", "'K"]);
    expect(matches('(?i)[^a]b', 'Ab xB')).toEqual(['xB']);
    expect(matches('[\\p{L}&&[^a-z]]+', 'abCDéfG')).toEqual(['CDé', 'G']);
    expect(matches('[\\p{Han}]+', 'x中文y')).toEqual(['中文']);
    expect(matches('a++b|a+', 'aaab aaa')).toEqual(['aaab', 'aaa']);
    expect(matches('a*+a|b', 'aaab')).toEqual(['b']);
    expect(matches('\\x41\\x{1F600}\\u0042', 'A😀B')).toEqual(['A😀B']);
    expect(matches('a$', 'aa')).toEqual(['a']);
  });

  it("treats possessive forms of OpenAI's pattern like the plain ones", () => {
    const plain = String.raw`'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s`;
    const possessive = String.raw`'(?i:[sdmt]|ll|ve|re)|[^\r\n\p{L}\p{N}]?+\p{L}++|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*+|\s*[\r\n]|\s+(?!\S)|\s`;
    fc.assert(
      fc.property(text, (sample) => {
        expect(matches(possessive, sample)).toEqual(matches(plain, sample));
      }),
      { seed: 2 },
    );
  });

  it('takes linear time when backtracking would take hours', () => {
    const run = 'a'.repeat(200_000);
    expect(matches('(?:a|aa|a+a)+b|a', run).length).toBe(run.length);
    expect(matches('(?:a+)+b|c', run)).toEqual([]);
    expect(matches('\\s+$', `${' '.repeat(200_000)}x`)).toEqual([]);
    expect(matches('\\p{L}+', run)).toEqual([run]);
  });

  it('in a literal matches only itself', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary', minLength: 1 }), (sample) => {
        expect(matches(literalPattern(sample), sample)).toEqual([sample]);
      }),
      { seed: 3 },
    );
  });

  it.each([
    '(',
    'a)',
    '[a',
    '*a',
    '(?<=a)b',
    '\\b',
    'a(?=bc)',
    '(?:a*)*',
    '\\p{Nonsense}',
    'a{2000}',
    '[z-a]',
    '\\',
    '(?:ab)++',
    '[[:alpha:]]',
  ])('outside the dialect throws an error that names it: %s', (pattern) => {
    expect(() => compilePattern(pattern)).toThrow(UnsupportedError);
  });

  it('of any characters compiles or throws a typed error', () => {
    const piece = fc.constantFrom(
      ...Array.from('ab()[]{}|?*+^$\\.,-&:=!<>i01pLNsSx'),
      '(?:',
      '(?=',
      '(?!',
      '\\p{L}',
      '{1,3}',
      '[^',
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 16 }), text, (parts, sample) => {
        const pattern = parts.join('');
        try {
          compilePattern(pattern).forEachMatch(sample, () => {});
        } catch (error) {
          expect(error, pattern).toBeInstanceOf(UnsupportedError);
        }
      }),
      { seed: 4, numRuns: 3000 },
    );
  });
});
