import { expect, it } from 'vitest';
import { OptionError } from '../core/errors.ts';
import { createNormalizer } from './normalizer.ts';
import type { NormalizerStep } from './spec.ts';

it('refuses a text that its replacements make too long, in one step or in several', () => {
  const doubling: NormalizerStep = { type: 'replace', pattern: 'a', content: 'aa' };
  const steps = Array.from({ length: 40 }, () => doubling);
  expect(createNormalizer(steps.slice(0, 3))('ab')).toBe(`${'a'.repeat(8)}b`);
  expect(() => createNormalizer(steps)('a')).toThrow(OptionError);
  const large: NormalizerStep = { type: 'replace', pattern: 'a', content: 'b'.repeat(10_000) };
  expect(() => createNormalizer([large])('a'.repeat(10_000))).toThrow(OptionError);
});
