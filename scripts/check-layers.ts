/**
 * Checks that every folder of src/ imports only from lower floors, so that src/ can be read from the bottom up.
 *
 * A folder of src/ may import from lower floors and from itself. src/index.ts, the public entry, may import from all of
 * them. The faces (cli/, server/) and the app (web/) may import only the entries. Platform code is in leaves
 * (*.node.ts, *.browser.ts), imported as `#leaf/<path below src without suffix>`. Leaves exist for both platforms and
 * export the same names. Only Node leaves and faces may import node:*. Packages must be dependencies.
 * Type-only imports count too: they show what a folder depends on. Tests may also import test tools, test/ and scripts/.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, posix, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Folders of src/ by floor. Every folder must be listed. */
const floors: readonly (readonly string[])[] = [
  ['core'],
  ['tensor', 'tokenizer', 'sampling'],
  ['formats', 'graph'],
  ['models', 'backends'],
  ['runtime'],
  ['train', 'adapt'],
  ['compress', 'package', 'federated'],
  ['search'],
  ['page'],
];
const faces: readonly string[] = ['cli', 'server'];

/** Returns the floor of a folder of src/, or undefined if it has none. */
export function floorOf(folder: string): number | undefined {
  const floor = [...floors, faces].findIndex((folders) => folders.includes(folder));
  return floor < 0 ? undefined : floor;
}

const ENTRY = 'src/index.ts';
/** Further entries. They are separate so that pages that only run models load less. */
const MORE_ENTRIES = [
  'src/train/index.ts',
  'src/package/index.ts',
  'src/adapt/index.ts',
  'src/search/index.ts',
  'src/compress/index.ts',
  'src/federated/index.ts',
];
const APP = 'web';

export interface Violation {
  /** Path relative to the root, with slashes. */
  readonly file: string;
  readonly line: number;
  /** Imported module. */
  readonly specifier: string;
  readonly why: string;
  readonly allowed: string;
}

export interface LayerReport {
  readonly files: number;
  readonly imports: number;
  readonly violations: readonly Violation[];
}

/** Violation of the rules by an import. */
interface Fault {
  readonly why: string;
  readonly allowed: string;
}

const NO_LEAF: Fault = { why: 'there is no such leaf', allowed: 'a pair of *.node.ts and *.browser.ts' };

interface Import {
  readonly specifier: string;
  readonly line: number;
}

/** Checks src/ and web/ of a package. @param root folder of package.json */
export function checkLayers(root: string): LayerReport {
  const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    readonly name?: string;
    readonly dependencies?: Readonly<Record<string, string>>;
  };
  const house: House = { root, name: manifest.name ?? '', packages: Object.keys(manifest.dependencies ?? {}) };
  const files = ['src', APP].flatMap((folder) => sourceFiles(root, folder));
  const violations: Violation[] = [];
  let imports = 0;
  for (const file of files) {
    const text = readFileSync(join(root, file), 'utf8');
    const found = importsOf(text);
    imports += found.length;
    for (const { specifier, line } of found) {
      const fault = faultOf(house, file, specifier);
      if (fault) violations.push({ file, line, specifier, ...fault });
    }
    const fault = faultOfPlace(file) ?? faultOfLeaf(root, file, text);
    if (fault) violations.push({ file, line: 1, specifier: '', ...fault });
  }
  return { files: files.length, imports, violations };
}

interface House {
  readonly root: string;
  /** Name of the package, which stands for its public entry. */
  readonly name: string;
  /** Packages that may be imported. */
  readonly packages: readonly string[];
}

function faultOf(house: House, file: string, specifier: string): Fault | undefined {
  if (specifier.startsWith('#leaf/')) {
    const leaf = `src/${specifier.slice('#leaf/'.length)}`;
    const there = ['node', 'browser'].some((platform) => existsSync(join(house.root, `${leaf}.${platform}.ts`)));
    return faultOfTarget(file, `${leaf}.ts`) ?? (there ? undefined : NO_LEAF);
  }
  if (specifier.startsWith('.')) {
    const target = posix.join(posix.dirname(file), specifier);
    return faultOfTarget(file, /\.\w+$/.test(target) ? target : `${target}.ts`);
  }
  if (isTest(file)) return undefined;
  const { folder } = placeOf(file);
  if (specifier.startsWith('node:')) {
    if (isLeaf(file, 'node') || faces.includes(folder)) return undefined;
    return { why: 'platform code outside a leaf', allowed: `a *.node.ts leaf, or ${list(faces)}` };
  }
  if (folder === APP && (specifier === house.name || specifier.startsWith(`${house.name}/`))) return undefined;
  const name = specifier.split('/', specifier.startsWith('@') ? 2 : 1).join('/');
  if (house.packages.includes(name)) return undefined;
  return { why: `${name} is not a dependency`, allowed: list(house.packages) };
}

/** @param target file of the repository, or leaf without its platform suffix */
function faultOfTarget(file: string, target: string): Fault | undefined {
  const from = placeOf(file);
  const to = placeOf(target);
  for (const platform of ['node', 'browser'] as const) {
    if (isLeaf(target, platform) && !isLeaf(file, platform) && !isTest(file))
      return { why: `a leaf for ${platform} only`, allowed: `#leaf/${target.slice(4, -`.${platform}.ts`.length)}` };
  }
  if (to.folder === from.folder && to.floor === from.floor) return undefined;
  if (isTest(file) && to.floor === undefined) return undefined;
  if (from.floor === undefined || from.seesEntryOnly) {
    if (target === ENTRY || MORE_ENTRIES.includes(target)) return undefined;
    return { why: `${from.folder}/ may only import the public entry`, allowed: ENTRY };
  }
  if (to.floor !== undefined && to.floor < from.floor) return undefined;
  const lower = floors.slice(0, from.floor).flat();
  const here = from.folder === '' ? 'the public entry' : `floor ${from.floor}`;
  const there = to.floor === undefined ? 'outside src/' : to.folder === '' ? 'the public entry' : `floor ${to.floor}`;
  const own = from.folder === '' ? [] : [from.folder];
  return { why: `${there} is imported from ${here}`, allowed: list([...lower, ...own]) };
}

interface Place {
  /** Folder of src/ or of the root; '' for the public entry. */
  readonly folder: string;
  /** Undefined outside src/ and for folders without a floor. */
  readonly floor?: number;
  readonly seesEntryOnly?: boolean;
}

function placeOf(file: string): Place {
  const [top, folder, ...rest] = file.split('/');
  if (top !== 'src') return { folder: top };
  if (rest.length === 0) return { folder: '', floor: floors.length };
  return { folder, floor: floorOf(folder), seesEntryOnly: faces.includes(folder) };
}

function faultOfPlace(file: string): Fault | undefined {
  const { folder, floor } = placeOf(file);
  if (folder === APP || (floor !== undefined && folder !== '') || file === ENTRY) return undefined;
  if (folder === '') return { why: 'a file beside the public entry', allowed: ENTRY };
  return { why: `src/${folder}/ has no floor`, allowed: list([...floors.flat(), ...faces]) };
}

/** Checks that both leaves of a pair exist and export the same names. */
function faultOfLeaf(root: string, file: string, text: string): Fault | undefined {
  const [, path, platform] = /^(.+)\.(node|browser)\.ts$/.exec(file) ?? [];
  if (!path || isTest(file)) return undefined;
  const twin = `${path}.${platform === 'node' ? 'browser' : 'node'}.ts`;
  if (!existsSync(join(root, twin))) return { why: 'a leaf for one platform only', allowed: `${twin} beside it` };
  const own = exportsOf(text);
  const others = exportsOf(readFileSync(join(root, twin), 'utf8'));
  const missing = others.filter((name) => !own.includes(name));
  if (missing.length === 0) return undefined;
  return { why: `lacks ${missing.join(', ')}, which ${twin} exports`, allowed: 'leaves that export the same names' };
}

const isTest = (file: string) => file.endsWith('.test.ts');
const isLeaf = (file: string, platform: 'node' | 'browser') => file.endsWith(`.${platform}.ts`);
const list = (names: readonly string[]) => (names.length === 0 ? 'none' : names.join(', '));

/**
 * Finds imports by regular expressions, without a compiler. The formatter puts every import statement at the start of a
 * line; `import()` may be anywhere except in a comment.
 */
const STATEMENT = /^(?:import|export)\b(?:[\w\s{},*$]*?\bfrom)?\s*(['"])(.+?)\1/gm;
const EXPRESSION = /^(?!\s*(?:\*|\/\/)).*?\bimport\(\s*(['"])(.+?)\1/gm;

function importsOf(text: string): Import[] {
  return [STATEMENT, EXPRESSION]
    .flatMap((pattern) => [...text.matchAll(pattern)])
    .map(({ 0: all, 2: specifier, index }) => ({
      specifier,
      line: text.slice(0, index + all.length).split('\n').length,
    }))
    .sort((a, b) => a.line - b.line);
}

function exportsOf(text: string): string[] {
  const declared = [
    ...text.matchAll(
      /^export (?:abstract |async |declare )*(?:function\*?|const|let|class|interface|type|enum) (\w+)/gm,
    ),
  ];
  const listed = [...text.matchAll(/^export (?:type )?\{([^}]*)\}/gm)].flatMap(([, names]) => names.split(','));
  const names = listed.map((name) => name.trim().split(/\s/).at(-1)!).filter((name) => name !== '');
  return [...new Set([...declared.map(([, name]) => name), ...names])].sort();
}

/** Lists TypeScript files below a folder, relative to the root, with slashes. */
function sourceFiles(root: string, folder: string): string[] {
  if (!existsSync(join(root, folder))) return [];
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.ts'))
    .map((entry) => relative(root, join(entry.parentPath, entry.name)).split(sep).join('/'))
    .filter((file) => !file.includes('/node_modules/'))
    .sort();
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { files, imports, violations } = checkLayers(dirname(dirname(fileURLToPath(import.meta.url))));
  for (const { file, line, specifier, why, allowed } of violations)
    console.log(`${file}:${line}: ${specifier ? `imports '${specifier}': ` : ''}${why}; allowed: ${allowed}`);
  if (violations.length > 0) process.exitCode = 1;
  console.log(`layers: ${files} files, ${imports} imports, ${violations.length} on a wrong floor`);
}
