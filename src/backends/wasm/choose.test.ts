import { describe, expect, it } from 'vitest';
import { notesIn } from '../../../test/notesInMemory.ts';
import type { Notes } from '../../graph/program.ts';
import { chosenKernels } from './choose.ts';
import { variants } from './module.ts';

describe('the kernel variant', () => {
  it('is chosen once and stored', async () => {
    const texts = new Map<string, string>();
    const { variant } = await chosenKernels(notesIn(texts), ['kQuants']);
    expect(variants).toContain(variant);
    expect([...texts.values()]).toEqual([variant]);
    expect((await chosenKernels(notesIn(texts), ['kQuants'])).variant).toBe(variant);
  });

  it('follows the stored choice', async () => {
    const texts = new Map<string, string>();
    const { variant } = await chosenKernels(notesIn(texts), ['kQuants']);
    const [name] = texts.keys();
    const other = variant.endsWith('-wide') ? variant.replace('-wide', '') : `${variant}-wide`;
    texts.set(name, other);
    expect((await chosenKernels(notesIn(texts), ['kQuants'])).variant).toBe(other);
  });

  it.each(['', 'relaxed-i64', 'relaxed-i32', '{"broken"'])(
    'is chosen again if the stored choice is invalid: %j',
    async (text) => {
      const notes: Notes = { read: async () => text, write: async () => undefined };
      expect(variants).toContain((await chosenKernels(notes, ['kQuants'])).variant);
    },
  );
});
