/**
 * Builds everything that is not committed: the AssemblyScript kernels as text modules, then dist/ with tsc, then the
 * browser bundle. Run by npm's `prepare`.
 *
 *   --kernels   stops after the kernels
 *   --if-stale  builds only kernels whose sources have changed, and outputs that are older than their sources
 */
import { execFile, execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { dirname, relative, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { deflateRawSync } from 'node:zlib';
import { build } from 'esbuild';
import { finishDeclarations } from './finishDeclarations.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const compiler = `${root}node_modules/assemblyscript/bin/asc.js`;
const bundleFolder = `${root}dist/browser`;

interface KernelModule {
  /** File name in the folder `built`, without suffix. */
  readonly name: string;
  /** Folders of AssemblyScript, relative to the root. Every file in them is an entry point, so its exports become kernels. */
  readonly folders: readonly string[];
  /** Folder of all sources, relative to the root; the module is written into `built` beside it. */
  readonly kernels: string;
  readonly flags: readonly string[];
  /** Addresses that its constants must not leave, as it shares its memory with other modules. Default: not checked. */
  readonly constants?: { readonly from: number; readonly to: number };
}

const engine = 'src/backends/wasm/kernels';
const optimized = ['-O3', '--noAssert'];
const lean = ['--use', 'abort=', '--disableWarning'];
const engineFlags = [
  ...['--runtime', 'stub', '--enable', 'simd', '--enable', 'threads', ...optimized],
  ...['--importMemory', '--sharedMemory', '--initialMemory', '2', '--maximumMemory', '65536', '--importTable', ...lean],
];

/** Builds of the engine's kernels by file name, among which the engine chooses on the device. */
const engineBuilds: Readonly<Record<string, readonly string[]>> = {
  baseline: [],
  relaxedI16: ['--enable', 'relaxed-simd'],
  relaxedI32: ['--enable', 'relaxed-simd', '--use', 'DOT_I32=1'],
};

/** Parts of a build: each folder of kernels is a module, and a device loads those that its model needs. */
const entriesOfEngine = readdirSync(`${root}${engine}`, { withFileTypes: true });
for (const { name } of entriesOfEngine)
  if (name.endsWith('.ts'))
    throw new Error(`${engine}/${name} belongs to no part: move it into a folder, such as core`);
const engineParts = entriesOfEngine
  .filter((entry) => entry.isDirectory() && entry.name !== 'parts')
  .map(({ name }) => name)
  .sort();

/** Constants begin after the first KiB and end before the control block. */
const [FIRST_CONSTANT, LAST_CONSTANT] = [1024, 65536];
/** Bytes of constants of a part: tables of exp and log, codebooks. */
const constantBytes: Readonly<Record<string, number>> = {
  core: 6144,
  training: 6144,
  lowBits: 10_240,
  iQuants: 36_864,
  probing: 512,
  solving: 512,
};
const OTHER_CONSTANTS = 768;

/** Addresses of each part's constants, which lie one after another. */
const constants = new Map<string, { readonly from: number; readonly to: number }>();
let constantsEnd = FIRST_CONSTANT;
for (const part of engineParts) {
  const to = constantsEnd + (constantBytes[part] ?? OTHER_CONSTANTS);
  constants.set(part, { from: constantsEnd, to });
  constantsEnd = to;
}
if (constantsEnd > LAST_CONSTANT) throw new Error(`constants of the kernels end at ${constantsEnd}, see constantBytes`);

/** The parts of the engine's kernels, the coder of deltas, and the masks of secure sums. */
const modules: readonly KernelModule[] = [
  ...Object.entries(engineBuilds).flatMap(([build, flags]) =>
    engineParts.map((part) => {
      const range = constants.get(part)!;
      const base = ['--memoryBase', String(range.from), '--transform', './scripts/lowMemoryUnused.mjs'];
      const all = [...engineFlags, ...flags, ...base];
      return {
        name: `${build}.${part}`,
        folders: [`${engine}/${part}`],
        kernels: engine,
        flags: all,
        // all builds have the same constants; Node 20 cannot check those with relaxed SIMD
        ...(build === 'baseline' ? { constants: range } : {}),
      };
    }),
  ),
  {
    name: 'delta',
    folders: ['src/package/delta/kernels', 'src/package/delta/kernels/formats'],
    kernels: 'src/package/delta/kernels',
    flags: ['--runtime', 'stub', '--enable', 'simd', ...optimized, ...lean],
  },
  {
    name: 'masks',
    folders: ['src/federated/secure/kernels'],
    kernels: 'src/federated/secure/kernels',
    flags: ['--runtime', 'stub', '--enable', 'simd', ...optimized, ...lean],
  },
];

const builtFolder = ({ kernels }: KernelModule) => `${root}${kernels}/../built`;

async function compileModule(module: KernelModule): Promise<void> {
  const entries = entriesOf(module);
  const built = builtFolder(module);
  mkdirSync(built, { recursive: true });
  const wasm = `${built}/${module.name}.wasm`;
  await promisify(execFile)(process.execPath, [compiler, ...entries, '-o', wasm, ...module.flags], { cwd: root });
  const bytes = readFileSync(wasm);
  rmSync(wasm);
  if (module.constants) checkConstants(bytes, module.name, module.constants);
  const text = deflateRawSync(bytes, { level: 9 }).toString('base64');
  const comment = `/** Built from ../kernels by scripts/build.ts: deflated, in base64; ${bytes.length} bytes. ${sourcesOf(module)} */`;
  writeFileSync(`${built}/${module.name}.ts`, `${comment}\nexport const module: string = '${text}';\n`);
  console.error(`kernels ${module.name}: ${bytes.length} bytes`);
}

function entriesOf({ folders }: KernelModule): string[] {
  return folders.flatMap((folder) =>
    readdirSync(`${root}${folder}`)
      .filter((file) => file.endsWith('.ts'))
      .sort()
      .map((file) => `${root}${folder}/${file}`),
  );
}

const transform = readFileSync(`${root}scripts/lowMemoryUnused.mjs`, 'utf8');
const compilerPackage = readFileSync(`${dirname(dirname(compiler))}/package.json`, 'utf8');
const { version: compilerVersion } = JSON.parse(compilerPackage) as { version: string };

/** Identifies what a module is made from: the compiler, its flags, and all sources that the entries import. */
function sourcesOf(module: KernelModule): string {
  const sources = new Map<string, string>();
  const visit = (path: string): void => {
    if (sources.has(path)) return;
    const text = readFileSync(path, 'utf8');
    sources.set(path, text);
    for (const [, imported] of text.matchAll(/from "(\.[^"]+)"/g)) visit(resolve(dirname(path), `${imported}.ts`));
  };
  for (const entry of entriesOf(module)) visit(entry);
  const hash = createHash('sha256').update(JSON.stringify([compilerVersion, module.flags, transform]));
  for (const [path, text] of [...sources].sort()) hash.update(`\0${relative(root, path)}\0${text}`);
  return `Sources: ${hash.digest('hex').slice(0, 16)}`;
}

/** @throws if a module has constants outside its addresses, where they would overwrite those of another module */
function checkConstants(
  bytes: Uint8Array<ArrayBuffer>,
  name: string,
  { from, to }: { from: number; to: number },
): void {
  const memory = new WebAssembly.Memory({ initial: 2, maximum: 65536, shared: true });
  const table = new WebAssembly.Table({ element: 'anyfunc', initial: 1 });
  new WebAssembly.Instance(new WebAssembly.Module(bytes), { env: { memory, table, now: () => 0, lost: () => 0 } });
  const written = new Uint8Array(memory.buffer);
  const last = written.findLastIndex((byte) => byte !== 0);
  const first = written.findIndex((byte) => byte !== 0);
  if (last >= 0 && (first < from || last >= to))
    throw new Error(
      `kernels ${name}: constants at ${first} … ${last}, expected ${from} … ${to - 1}; see constantBytes`,
    );
}

/** Writes which part has the kernels of a block format, and how to load the parts of a build. */
function writeCatalog(): void {
  const formats = engineParts.flatMap((part) =>
    readdirSync(`${root}${engine}/${part}`)
      .flatMap((file) => [
        ...readFileSync(`${root}${engine}/${part}/${file}`, 'utf8').matchAll(/function matmul_(\w+)/g),
      ])
      .map(([, format]) => `  ${format}: '${part}',`),
  );
  const loaders = Object.keys(engineBuilds).flatMap((build) => [
    `  ${build}: {`,
    ...engineParts.map((part) => `    ${part}: () => import('./${build}.${part}.ts'),`),
    '  },',
  ]);
  const lines = [
    '/** Written by scripts/build.ts. */',
    '/** Part of the kernels by block format. */',
    `export const formatParts = {\n${formats.join('\n')}\n} as const;`,
    '/** Modules of the kernels, deflated, in base64. */',
    `export const kernelParts = {\n${loaders.join('\n')}\n} as const;`,
  ];
  const [path, text] = [`${root}${engine}/../built/catalog.ts`, `${lines.join('\n')}\n`];
  // an unchanged file keeps its time, so that nothing is built again
  if (!existsSync(path) || readFileSync(path, 'utf8') !== text) writeFileSync(path, text);
}

async function compileTypeScript(): Promise<void> {
  rmSync(`${root}dist`, { recursive: true, force: true });
  execFileSync(process.execPath, [`${root}node_modules/typescript/bin/tsc`, '-p', `${root}tsconfig.build.json`], {
    cwd: root,
    stdio: 'inherit',
  });
  finishDeclarations(`${root}dist`);
  await bundleCommandLine();
  chmodSync(`${root}dist/cli/main.js`, 0o755);
  await bundle();
}

/** Puts the command line into few files: Node takes a second to read its thousand modules one by one, longer than most commands. */
async function bundleCommandLine(): Promise<void> {
  await build({
    ...{ bundle: true, splitting: true, format: 'esm', platform: 'node', target: 'node20', logLevel: 'warning' },
    packages: 'external',
    entryPoints: [`${root}dist/cli/main.js`],
    outdir: `${root}dist/cli`,
    allowOverwrite: true,
    chunkNames: '[name]-[hash]',
  });
}

/**
 * A folder for pages without a bundler: what a page imports, the worker that it starts, and the engine in pieces, of which
 * a device reads one variant of the kernels. The page itself reads the engine only if no worker can be started.
 */
async function bundle(): Promise<void> {
  const options = {
    bundle: true,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    minify: true,
    logLevel: 'warning',
  } as const;
  await build({
    ...options,
    entryPoints: {
      espalier: `${root}dist/index.js`,
      train: `${root}dist/page/trainPage.js`,
      package: `${root}dist/package/index.js`,
      federated: `${root}dist/page/federatedPage.js`,
      'espalier.worker': `${root}dist/page/espalier.worker.js`,
    },
    outdir: bundleFolder,
    chunkNames: '[name]-[hash]',
    splitting: true,
  });
  // service workers may not import in pieces
  await build({ ...options, entryPoints: [`${root}dist/index.js`], outfile: `${bundleFolder}/espalier.single.js` });
}

/** Time of the latest change of some files. A folder stands for all compiled files below it. */
function changed(...paths: readonly string[]): number {
  const times = paths.flatMap((path) => {
    const full = `${root}${path}`;
    if (!statSync(full).isDirectory()) return [statSync(full).mtimeMs];
    return readdirSync(full, { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts'))
      .map((name) => statSync(`${full}/${name}`).mtimeMs);
  });
  return Math.max(...times);
}

const made = (path: string) => (existsSync(path) ? statSync(path).mtimeMs : 0);
const [staleOnly, kernelsOnly] = ['--if-stale', '--kernels'].map((flag) => process.argv.includes(flag));
const tools = ['scripts/build.ts', 'scripts/lowMemoryUnused.mjs', 'scripts/finishDeclarations.ts', 'package-lock.json'];

const isStale = (module: KernelModule) => {
  const built = `${builtFolder(module)}/${module.name}.ts`;
  return !existsSync(built) || !readFileSync(built, 'utf8').split('\n', 1)[0].includes(sourcesOf(module));
};
const stale = modules.filter((module) => !staleOnly || isStale(module));
// as many at a time as there are processors
await Promise.all(
  Array.from({ length: availableParallelism() }, async () => {
    for (let module = stale.shift(); module; module = stale.shift()) await compileModule(module);
  }),
);
writeCatalog();
if (
  !kernelsOnly &&
  (!staleOnly ||
    made(`${bundleFolder}/espalier.js`) <
      changed('src', 'package.json', 'tsconfig.json', 'tsconfig.build.json', ...tools))
)
  await compileTypeScript();
