/**
 * Builds everything that is not committed: the AssemblyScript kernels as base64 modules, then dist/ with tsc, then the
 * browser bundle. Run by npm's `prepare`. `--kernels` stops after the kernels.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const root = fileURLToPath(new URL('..', import.meta.url));
const kernels = `${root}src/backends/wasm/kernels`;
const built = `${root}src/backends/wasm/built`;

/** What a variant is compiled with; the engine picks among them on the device. */
const variants: Readonly<Record<string, readonly string[]>> = {
  baseline: [],
  relaxedI16: ['--enable', 'relaxed-simd'],
  relaxedI32: ['--enable', 'relaxed-simd', '--use', 'DOT_I32=1'],
};

function compileKernels(): void {
  // every file is an entry, so that its exports become kernels: adding one is adding its file
  const entries = [kernels, `${kernels}/formats`].flatMap((folder) =>
    readdirSync(folder)
      .filter((file) => file.endsWith('.ts'))
      .sort()
      .map((file) => `${folder}/${file}`),
  );
  mkdirSync(built, { recursive: true });
  for (const [name, flags] of Object.entries(variants)) {
    const wasm = `${built}/${name}.wasm`;
    const fixed = ['--runtime', 'stub', '--enable', 'simd', '--enable', 'threads', '-O3', '--converge', '--noAssert'];
    const memory = ['--importMemory', '--sharedMemory', '--initialMemory', '2', '--maximumMemory', '65536'];
    const table = ['--importTable', '--use', 'abort=', '--disableWarning'];
    const asc = `${root}node_modules/assemblyscript/bin/asc.js`;
    execFileSync(process.execPath, [asc, ...entries, '-o', wasm, ...fixed, ...memory, ...table, ...flags], {
      cwd: root,
      stdio: 'inherit',
    });
    const bytes = readFileSync(wasm);
    rmSync(wasm);
    const text = `/** Built from ../kernels by scripts/build.ts, ${bytes.length} bytes. */\nexport const module = '${bytes.toString('base64')}';\n`;
    writeFileSync(`${built}/${name}.ts`, text);
    console.error(`kernels ${name}: ${bytes.length} bytes`);
  }
}

async function bundle(): Promise<void> {
  await build({
    entryPoints: [`${root}dist/index.js`],
    outfile: `${root}dist/espalier.browser.js`,
    bundle: true,
    format: 'esm',
    platform: 'browser',
    minify: true,
    logLevel: 'warning',
  });
}

compileKernels();
if (!process.argv.includes('--kernels')) {
  rmSync(`${root}dist`, { recursive: true, force: true });
  execFileSync(process.execPath, [`${root}node_modules/typescript/bin/tsc`, '-p', `${root}tsconfig.build.json`], {
    cwd: root,
    stdio: 'inherit',
  });
  await bundle();
}
