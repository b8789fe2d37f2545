import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { StopStrings } from './stopStrings.ts';

/** What is handed out of text that comes in these pieces, and whether a stop string was found. */
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
  test('are found across pieces and never handed out', () => {
    expect(through(['Hello\nUs', 'er', ': hi'], ['\nUser:'])).toEqual({ text: 'Hello', found: true });
  });

  test('text that only looked like one is handed out after all', () => {
    expect(through(['Hello\nUs', 'eful'], ['\nUser:'])).toEqual({ text: 'Hello\nUseful', found: false });
    expect(through(['Hello\nUs'], ['\nUser:'])).toEqual({ text: 'Hello\nUs', found: false });
  });

  test('the earliest of several counts', () => {
    expect(through(['abcdef'], ['de', 'bc'])).toEqual({ text: 'a', found: true });
  });

  test('however the text is cut, the outcome is that of the whole text', () => {
    const letters = fc.string({ unit: fc.constantFrom('a', 'b'), maxLength: 12 });
    const stop = fc.string({ unit: fc.constantFrom('a', 'b'), minLength: 1, maxLength: 4 });
    fc.assert(
      fc.property(fc.array(letters, { maxLength: 6 }), fc.array(stop, { maxLength: 3 }), (pieces, stops) => {
        const whole = pieces.join('');
        const found = stops.map((each) => whole.indexOf(each)).filter((at) => at >= 0);
        const { text, found: stopped } = through(pieces, stops);
        expect(stopped).toBe(found.length > 0);
        // pieces end at the first place where a stop string is complete, which with several may begin later
        if (!stopped) expect(text).toBe(whole);
        else expect(whole.startsWith(text)).toBe(true);
        for (const each of stops) expect(text).not.toContain(each);
      }),
    );
  });
});
