import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { StopStrings } from './stopStrings.ts';

/** The text returned for these pieces, and true if a stop string was found. */
function through(pieces: readonly string[], stops: readonly string[]): { text: string; found: boolean } {
  const finder = new StopStrings(stops);
  let text = '';
  for (const piece of pieces) {
    const { text: ready, found } = finder.push(piece);
    text += ready;
    if (found) return { text, found };
  }
  return { text: text + finder.flush(), found: false };
}

describe('stop strings', () => {
  test('are found across pieces and never returned', () => {
    expect(through(['Hello\nUs', 'er', ': hi'], ['\nUser:'])).toEqual({ text: 'Hello', found: true });
  });

  test('return text that only looked like the start of a stop string', () => {
    expect(through(['Hello\nUs', 'eful'], ['\nUser:'])).toEqual({ text: 'Hello\nUseful', found: false });
    expect(through(['Hello\nUs'], ['\nUser:'])).toEqual({ text: 'Hello\nUs', found: false });
  });

  test('end the text at the earliest one', () => {
    expect(through(['abcdef'], ['de', 'bc'])).toEqual({ text: 'a', found: true });
  });

  test('give the same result however the text is split', () => {
    const letters = fc.string({ unit: fc.constantFrom('a', 'b'), maxLength: 12 });
    const stop = fc.string({ unit: fc.constantFrom('a', 'b'), minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(fc.array(letters, { maxLength: 6 }), fc.array(stop, { maxLength: 3 }), (pieces, stops) => {
        const whole = pieces.join('');
        const found = stops.map((each) => whole.indexOf(each)).filter((at) => at >= 0);
        const { text, found: stopped } = through(pieces, stops);
        expect(stopped).toBe(found.length > 0);
        // the stream ends at the first complete stop string; another one may start earlier in the whole text
        if (!stopped) expect(text).toBe(whole);
        else expect(whole.startsWith(text)).toBe(true);
        for (const each of stops) expect(text).not.toContain(each);
      }),
    );
  });
});
