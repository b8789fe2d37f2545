import { readFileSync } from 'node:fs';
import { expect, it } from 'vitest';
import { familiesText } from './families.ts';

it("README.md lists the families that the code has (put the expected text between the README's marks)", () => {
  const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
  const listed = /<!-- families: [^>]* -->\n([\s\S]*?)\n<!-- \/families -->/.exec(readme)?.[1];
  expect(listed).toBe(familiesText());
});
