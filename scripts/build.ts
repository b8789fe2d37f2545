/**
 * Builds everything that is not committed: the AssemblyScript kernels as text modules, then dist/ with tsc, then the
 * browser bundle. Run by npm's `prepare`.
 *
 *   --kernels   stops after the kernels
 *   --if-stale  builds only outputs that are older than their sources
 */
import { execFile, execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { deflateRawSync } from 'node:zlib';
import { build } from 'esbuild';
import { finishDeclarations } from './finishDeclarations.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const bundleFolder = `${root}dist/browser`;

interface KernelModule {
  /** File name in the folder `built`, without suffix. */
  readonly name: string;
  /** Folder of AssemblyScript, relative to the root. */
  readonly kernels: string;
  readonly flags: readonly string[];
}

const engine = 'src/backends/wasm/kernels';
const optimized = ['-O3', '--noAssert'];
const lean = ['--use', 'abort=', '--disableWarning'];
const engineFlags = [
  ...['--runtime', 'stub', '--enable', 'simd', '--enable', 'threads', ...optimized],
  ...['--importMemory', '--sharedMemory', '--initialMemory', '2', '--maximumMemory', '65536', '--importTable', ...lean],
];

/** The variants of the engine's kernels, among which the engine chooses on the device, the coder of deltas, and the solver's arithmetic. */
const modules: readonly KernelModule[] = [
  { name: 'baseline', kernels: engine, flags: engineFlags },
  { name: 'relaxedI16', kernels: engine, flags: [...engineFlags, '--enable', 'relaxed-simd'] },
  { name: 'relaxedI32', kernels: engine, flags: [...engineFlags, '--enable', 'relaxed-simd', '--use', 'DOT_I32=1'] },
  {
    name: 'delta',
    kernels: 'src/package/delta/kernels',
    flags: ['--runtime', 'stub', '--enable', 'simd', ...optimized, ...lean],
  },
  {
    name: 'matrix',
    kernels: 'src/compress/matrix/kernels',
    flags: ['--runtime', 'stub', '--enable', 'simd', ...optimized, ...lean],
  },
];

const builtFolder = ({ kernels }: KernelModule) => `${root}${kernels}/../built`;

async function compileModule(module: KernelModule): Promise<void> {
  // every file is an entry point, so its exports become kernels
  const folder = `${root}${module.kernels}`;
  const entries = [folder, `${folder}/formats`].filter(existsSync).flatMap((folder) =>
    readdirSync(folder)
      .filter((file) => file.endsWith('.ts'))
      .sort()
      .map((file) => `${folder}/${file}`),
  );
  const built = builtFolder(module);
  mkdirSync(built, { recursive: true });
  const wasm = `${built}/${module.name}.wasm`;
  const asc = `${root}node_modules/assemblyscript/bin/asc.js`;
  await promisify(execFile)(process.execPath, [asc, ...entries, '-o', wasm, ...module.flags], { cwd: root });
  const bytes = readFileSync(wasm);
  rmSync(wasm);
  const text = deflateRawSync(bytes, { level: 9 }).toString('base64');
  const comment = `/** Built from ../kernels by scripts/build.ts: deflated, in base64; ${bytes.length} bytes. */`;
  writeFileSync(`${built}/${module.name}.ts`, `${comment}\nexport const module: string = '${text}';\n`);
  console.error(`kernels ${module.name}: ${bytes.length} bytes`);
}

async function compileTypeScript(): Promise<void> {
  rmSync(`${root}dist`, { recursive: true, force: true });
  execFileSync(process.execPath, [`${root}node_modules/typescript/bin/tsc`, '-p', `${root}tsconfig.build.json`], {
    cwd: root,
    stdio: 'inherit',
  });
  finishDeclarations(`${root}dist`);
  chmodSync(`${root}dist/cli/main.js`, 0o755);
  await bundle();
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
const tools = ['scripts/build.ts', 'scripts/finishDeclarations.ts', 'package-lock.json'];

const isStale = (module: KernelModule) =>
  made(`${builtFolder(module)}/${module.name}.ts`) < changed(module.kernels, ...tools);
await Promise.all(modules.filter((module) => !staleOnly || isStale(module)).map(compileModule));
if (
  !kernelsOnly &&
  (!staleOnly ||
    made(`${bundleFolder}/espalier.js`) <
      changed('src', 'package.json', 'tsconfig.json', 'tsconfig.build.json', ...tools))
)
  await compileTypeScript();
