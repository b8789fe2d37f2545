import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, it } from 'vitest';
import { checkLayers } from './check-layers.ts';

const made: string[] = [];
afterEach(() => {
  for (const root of made.splice(0)) rmSync(root, { recursive: true });
});

/** Writes a small tree. Returns its violations, one line each. */
function faults(files: Readonly<Record<string, string>>): string[] {
  const root = mkdtempSync(join(tmpdir(), 'espalier-layers-'));
  made.push(root);
  const manifest = JSON.stringify({ name: 'house', dependencies: { zod: '1', '@scope/tool': '1' } });
  for (const [path, text] of Object.entries({ 'package.json': manifest, ...files })) {
    mkdirSync(join(root, dirname(path)), { recursive: true });
    writeFileSync(join(root, path), text);
  }
  return checkLayers(root).violations.map(({ file, line, specifier, why }) => `${file}:${line} ${specifier} ${why}`);
}

it('imports from lower floors and from the same folder are allowed', () => {
  expect(
    faults({
      'src/core/errors.ts': 'export const a = 1;',
      'src/tensor/quant/q8_0.ts': "import { a } from '../../core/errors.ts';\nimport { b } from '../shape.ts';",
      'src/runtime/load.ts': "import { b } from '../tensor/shape.ts';\nexport { c } from '../models/index.ts';",
      'src/index.ts': "export { load } from './runtime/load.ts';\nexport { search } from './search/search.ts';",
      'src/cli/main.ts': "import { load } from '../index.ts';\nimport { readFile } from 'node:fs/promises';",
      'web/page.ts': "import { load } from 'house';\nimport { other } from './other.ts';",
    }),
  ).toEqual([]);
});

describe('a wrong import is reported with its file and line', () => {
  it.each([
    ['a higher floor', 'core/a.ts', "import { x } from '../runtime/load.ts';", 'floor 4 is imported from floor 0'],
    ['its own floor', 'formats/a.ts', "import { x } from '../graph/b.ts';", 'floor 2 is imported from floor 2'],
    ['a type', 'tensor/a.ts', "import type { X } from '../formats/b.ts';", 'floor 2 is imported from floor 1'],
    ['a re-export', 'core/a.ts', "export * from '../graph/b.ts';", 'floor 2 is imported from floor 0'],
    ['a dynamic import', 'core/a.ts', "x = await import('../graph/b.ts');", 'floor 2 is imported from floor 0'],
    ['a side effect', 'core/a.ts', "import '../graph/b.ts';", 'floor 2 is imported from floor 0'],
    ['a leaf of a higher floor', 'core/a.ts', "import { x } from '#leaf/graph/b';", 'floor 2 is imported from floor 0'],
    [
      'the public entry',
      'runtime/a.ts',
      "import { x } from '../index.ts';",
      'the public entry is imported from floor 4',
    ],
    ['what is no part of src/', 'core/a.ts', "import { x } from '../../test/b.ts';", 'outside src/ is imported from'],
    [
      'beneath the public entry',
      'cli/a.ts',
      "import { x } from '../core/b.ts';",
      'cli/ may only import the public entry',
    ],
    ['platform code', 'core/a.ts', "import { x } from 'node:fs';", 'platform code outside a leaf'],
    ['a leaf by its file', 'core/a.ts', "import { x } from './b.node.ts';", 'a leaf for node only'],
    ['a package', 'core/a.ts', "import { x } from 'vitest';", 'vitest is not a dependency'],
    ['no folder of ours', 'attic/a.ts', 'export {};', 'src/attic/ has no floor'],
  ])('%s', (_, file, text, why) => {
    const found = faults({ [`src/${file}`]: `/** Header. */\n\n${text}` });
    expect(found.length).toBeGreaterThan(0);
    expect(found.at(0)).toContain(why);
    expect(found.at(0)).toContain(`src/${file}:${why.includes('has no floor') ? 1 : 3} `);
  });

  it('of several lines, at the line of its specifier', () => {
    const text = "import {\n  a,\n  type B,\n} from '../formats/b.ts';";
    expect(faults({ 'src/core/a.ts': text })).toEqual([
      'src/core/a.ts:4 ../formats/b.ts floor 2 is imported from floor 0',
    ]);
  });

  it('of the app, which may only import the public entry', () => {
    expect(faults({ 'web/page.ts': "import { x } from '../src/core/b.ts';" })).toEqual([
      'web/page.ts:1 ../src/core/b.ts web/ may only import the public entry',
    ]);
  });
});

it('dependencies may be imported with any subpath', () => {
  expect(faults({ 'src/core/a.ts': "import a from 'zod/mini';\nimport b from '@scope/tool/part';" })).toEqual([]);
});

it('imports in comments and strings are ignored', () => {
  const text = "/**\n * import { x } from '../graph/b.ts';\n */\n// import('../graph/b.ts')\nconst a = \"import 'x'\";";
  expect(faults({ 'src/core/a.ts': text })).toEqual([]);
});

it('tests may import test tools and helpers, but must respect the floors', () => {
  expect(
    faults({
      'src/tensor/a.test.ts':
        "import { it } from 'vitest';\nimport { x } from '../../test/x.ts';\nimport { y } from './b.node.ts';\nimport { z } from '../graph/z.ts';",
    }),
  ).toEqual(['src/tensor/a.test.ts:4 ../graph/z.ts floor 2 is imported from floor 1']);
});

describe('a leaf', () => {
  const node = "import { freemem } from 'node:os';\nexport function free(): number {\n  return freemem();\n}";

  it('is valid if both platforms export the same names', () => {
    const browser = 'export const free = () => 1;';
    const user = "import { free } from '#leaf/core/memory';";
    const files = { 'src/core/memory.node.ts': node, 'src/core/memory.browser.ts': browser, 'src/core/a.ts': user };
    expect(faults(files)).toEqual([]);
  });

  it('for only one platform is rejected', () => {
    expect(faults({ 'src/core/memory.node.ts': node })).toEqual([
      'src/core/memory.node.ts:1  a leaf for one platform only',
    ]);
  });

  it('that exports less than its counterpart is rejected', () => {
    const browser = 'const free = 1;\nexport { free, type Other as Extra };\nexport async function more() {}';
    expect(faults({ 'src/core/memory.node.ts': node, 'src/core/memory.browser.ts': browser })).toEqual([
      'src/core/memory.node.ts:1  lacks Extra, more, which src/core/memory.browser.ts exports',
    ]);
  });

  it('that does not exist cannot be imported', () => {
    expect(faults({ 'src/core/a.ts': "import { x } from '#leaf/core/missing';" })).toEqual([
      'src/core/a.ts:1 #leaf/core/missing there is no such leaf',
    ]);
  });
});

it('this repository has no wrong import', () => {
  const { files, violations } = checkLayers(fileURLToPath(new URL('..', import.meta.url)));
  expect(violations).toEqual([]);
  expect(files).toBeGreaterThan(100);
});
