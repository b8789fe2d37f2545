/**
 * Checks that README.md's annotated tree matches the repository. Its format:
 *
 * - It is the fenced block whose first line is `src/`. Two spaces of indentation mean one level.
 * - A line is `name/` of a folder or `name` of a file, spaces, and a description. Only `src/` has no description.
 * - A folder directly in src/ has its floor before the description: `core/  0  errors, …`.
 * - It lists the folders of src/ two levels deep, and all folders beside src/ that git does not ignore.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { floorOf } from '../scripts/check-layers.ts';

const root = fileURLToPath(new URL('..', import.meta.url));

interface Entry {
  /** Path relative to the root; folders end in a slash. */
  readonly path: string;
  readonly words: string;
}

function entriesOf(readme: string): Entry[] {
  const block = /^```\n(src\/\n[\s\S]*?)^```/m.exec(readme)?.[1];
  if (!block) throw new Error('README.md has no fenced block that begins with src/');
  const above: string[] = [];
  return block
    .trimEnd()
    .split('\n')
    .map((line) => {
      const [, indent, name, words] = /^( *)(\S+) *(.*)$/.exec(line)!;
      above.length = indent.length / 2;
      above.push(name);
      return { path: above.join(''), words };
    });
}

function foldersIn(path: string): string[] {
  return readdirSync(root + path, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => `${path}${name}/`);
}

const ignored = readFileSync(`${root}.gitignore`, 'utf8').split('\n');

function foldersThatAre(): string[] {
  const top = foldersIn('').filter((path) => !path.startsWith('.') && !ignored.includes(path));
  const inSrc = foldersIn('src/').flatMap((path) => [path, ...foldersIn(path)]);
  return [...top, ...inSrc].sort();
}

describe("README.md's tree", () => {
  const entries = entriesOf(readFileSync(`${root}README.md`, 'utf8'));
  const folders = entries.map(({ path }) => path).filter((path) => path.endsWith('/'));

  it('lists every folder of src/ two levels deep, and the folders beside it', () => {
    expect(foldersThatAre().filter((path) => !folders.includes(path))).toEqual([]);
  });

  it('lists nothing that does not exist, and nothing twice', () => {
    const isThere = (path: string) =>
      statSync(root + path, { throwIfNoEntry: false })?.isDirectory() === path.endsWith('/');
    expect(entries.map(({ path }) => path).filter((path) => !isThere(path))).toEqual([]);
    expect(folders).toEqual([...new Set(folders)]);
  });

  it('describes each entry, with the floor of folders in src/', () => {
    for (const { path, words } of entries) {
      if (path === 'src/') continue;
      expect(words, path).toMatch(/[a-z]{3}/i);
      const folder = /^src\/([^/]+)\/$/.exec(path)?.[1];
      if (folder) expect(words, path).toMatch(new RegExp(`^${floorOf(folder)} `));
    }
  });
});
