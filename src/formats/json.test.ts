import fc from 'fast-check';
import { expect, it } from 'vitest';
import { parseJsonObject } from './json.ts';

it('JSON as Python writes it is read', () => {
  const text =
    '\uFEFF{"a": [0.0, Infinity, -Infinity, NaN], "b": "Infinity \\" NaN", "NaN": {"__float__": "-Infinity"}}';
  expect(parseJsonObject(text, 'config.json')).toEqual({
    a: [0, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, Number.NaN],
    b: 'Infinity " NaN',
    NaN: Number.NEGATIVE_INFINITY,
  });
});

it('any JSON object is what JSON.parse makes of it', () => {
  const words = fc.constantFrom('NaN', 'Infinity', '-Infinity', '\\', '"', 'x');
  const strings = fc.array(words).map((parts) => parts.join(''));
  fc.assert(
    fc.property(fc.dictionary(strings, fc.oneof(strings, fc.integer(), fc.boolean())), (value) => {
      const text = JSON.stringify(value);
      expect(parseJsonObject(text, 'a')).toEqual(JSON.parse(text));
    }),
    { seed: 1 },
  );
});

it.each(['{"a": Infinit}', '{"a": NaNs}', '{"a": +Infinity}', '{Infinity: 1}'])('%s is no JSON', (text) => {
  expect(() => parseJsonObject(text, 'a')).toThrow('a: is not JSON');
});
