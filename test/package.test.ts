/** The published package, installed in another project: it runs in Node, bundles for browsers, and has types. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { makeModel } from '../scripts/models/index.ts';
import { typeScriptNode } from './typeScriptNode.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
let project: string;

const app = `
import { load } from 'espalier';
export async function say(source) {
  const model = await load(source);
  const { ids } = await model.session().generate('Once', { temperature: 0, maxTokens: 8 }).result;
  model.dispose();
  return ids.length;
}
`;

function run(program: string, ...args: string[]): string {
  const { status, stdout, stderr } = spawnSync(program, args, { cwd: project, encoding: 'utf8' });
  expect(`${status} ${status === 0 ? '' : stdout}${stderr}`).toBe('0 ');
  return stdout;
}

beforeAll(() => {
  project = mkdtempSync(join(tmpdir(), 'espalier-package-'));
  const packed = execFileSync('npm', ['pack', '--ignore-scripts', '--json', '--pack-destination', project], {
    cwd: root,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const [{ filename }] = JSON.parse(packed) as { filename: string }[];
  const home = join(project, 'node_modules/espalier');
  mkdirSync(home, { recursive: true });
  run('tar', '-xzf', filename, '-C', home, '--strip-components=1');
  // unpacked instead of installed, because npm would contact the registry
  const { dependencies } = JSON.parse(readFileSync(join(home, 'package.json'), 'utf8')) as {
    dependencies: Record<string, string>;
  };
  for (const name of Object.keys(dependencies)) {
    mkdirSync(dirname(join(project, 'node_modules', name)), { recursive: true });
    symlinkSync(join(root, 'node_modules', name), join(project, 'node_modules', name));
  }
  writeFileSync(join(project, 'package.json'), '{ "type": "module" }');
  writeFileSync(join(project, 'app.js'), app);
});
afterAll(() => rmSync(project, { recursive: true }));

it('runs in Node', async () => {
  writeFileSync(join(project, 'tiny.gguf'), await makeModel({ architecture: 'llama', format: 'Q8_0' }));
  const script = "import('./app.js').then(async ({ say }) => console.log(await say('tiny.gguf')))";
  expect(run(process.execPath, '-e', script)).toBe('8\n');
});

it('has the command line', () => {
  expect(run(process.execPath, 'node_modules/espalier/dist/cli/main.js', '--version')).toMatch(/^\d+\.\d+\.\d+\n$/);
});

it('bundles for browsers with separate kernel chunks and without unused code', async () => {
  const { metafile } = await build({
    absWorkingDir: project,
    entryPoints: ['app.js'],
    outdir: 'out',
    bundle: true,
    splitting: true,
    minify: true,
    format: 'esm',
    platform: 'browser',
    metafile: true,
    logLevel: 'silent',
  });
  const inputs = Object.keys(metafile.inputs);
  expect(inputs.filter((path) => /\.node\.js$|\/cli\//.test(path))).toEqual([]);
  const chunks = Object.values(metafile.outputs).filter(({ inputs }) =>
    Object.keys(inputs).some((path) => /\/wasm\/built\/(?!catalog)/.test(path)),
  );
  // a module for each folder of kernels and each of three builds
  const parts = readdirSync(join(root, 'src/backends/wasm/kernels'), { withFileTypes: true });
  expect(chunks).toHaveLength(3 * parts.filter((entry) => entry.isDirectory() && entry.name !== 'parts').length);
  expect(chunks.every(({ entryPoint }) => entryPoint?.includes('/wasm/built/'))).toBe(true);
});

it('has types that compile with other compiler options', () => {
  const text = `
    import { load, type Piece, SourceError } from 'espalier';
    const model = await load('model.gguf', { threads: 2 });
    for await (const piece of model.session().generate('Once')) { const { text }: Piece = piece; text.length; }
    export const code: string = new SourceError('a', 'b').code;
  `;
  writeFileSync(join(project, 'app.ts'), text);
  const lib = 'es2022,dom,esnext.disposable';
  const flags = ['--noEmit', '--strict', '--module', 'nodenext', '--target', 'es2022', '--lib', lib, '--types', ''];
  run(typeScriptNode, join(root, 'node_modules/typescript/bin/tsc'), ...flags, 'app.ts');
});

it('contains only the files needed to run it', () => {
  const names = readdirSync(join(project, 'node_modules/espalier'), { recursive: true, encoding: 'utf8' });
  expect(names.filter((name) => !name.includes('/')).sort()).toEqual(
    [
      'ARCHITECTURE.md',
      'CHANGELOG.md',
      'CONTRIBUTING.md',
      'LICENSE',
      'LOG.md',
      'README.md',
      'dist',
      'models',
      'package.json',
    ].sort(),
  );
  expect(names.filter((name) => /\.test\.|\.map$|kernels\//.test(name))).toEqual([]);
});
