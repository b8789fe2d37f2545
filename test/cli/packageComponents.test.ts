/** Components, updates by name, and uploads to a server, through the command line. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { makeModel } from '../../scripts/models/index.ts';
import { espalier, json } from './espalier.ts';

const folder = mkdtempSync(join(tmpdir(), 'espalier-components-'));
const at = (name: string) => join(folder, name);
/** Files of the server by path, and the requests in order. */
const files = new Map<string, Buffer>();
const puts: string[] = [];
let server: Server;
let url: string;

beforeAll(async () => {
  writeFileSync(at('model.gguf'), await makeModel({ architecture: 'llama', format: 'Q8_0' }));
  writeFileSync(at('draft.gguf'), await makeModel({ architecture: 'llama', format: 'Q4_0' }));
  server = createServer((request, response) => {
    const path = decodeURIComponent(request.url!);
    if (request.method === 'PUT') {
      if (request.headers.authorization !== 'Bearer key') return void response.writeHead(401).end();
      const parts: Buffer[] = [];
      request.on('data', (part) => parts.push(part));
      request.on('end', () => {
        puts.push(path);
        files.set(path, Buffer.concat(parts));
        response.writeHead(201).end();
      });
      return;
    }
    const bytes = files.get(path);
    if (!bytes) return void response.writeHead(404).end();
    const [, from, to] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '') ?? [];
    const [start, end] = [Number(from ?? 0), Math.min(bytes.length, to ? Number(to) + 1 : bytes.length)];
    const range = { 'content-range': `bytes ${start}-${end - 1}/${bytes.length}` };
    response.writeHead(from === undefined ? 200 : 206, {
      'content-length': end - start,
      ...(from !== undefined && range),
    });
    response.end(request.method === 'HEAD' ? undefined : bytes.subarray(start, end));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/models/tiny`;
});
afterAll(() => {
  server.close();
  rmSync(folder, { recursive: true });
});

const pack = (version: string) =>
  json([
    ...['package', 'pack', at('site'), '--name', 'tiny', '--as', version],
    ...['--component', `base=${at('model.gguf')}`, '--component', `draft=${at('draft.gguf')}`],
  ]);
const publish = () => json(['package', 'publish', at('site'), url, '--header', 'Authorization: Bearer key']);
const store = ['--store', at('store')];

it('publishes by HTTP, installs components as they are wanted, updates by name and tests', async () => {
  await pack('1');
  const refused = await espalier(['package', 'publish', at('site'), url]);
  expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining('answers PUT with status 401') });
  expect(await publish()).toMatchObject({ files: 4 });
  expect(puts.at(-1)).toBe('/models/tiny/latest.json');
  expect(await publish()).toMatchObject({ files: 1 });

  const absent = await espalier(['package', 'pull', url, ...store, '--component', 'card']);
  expect(absent).toMatchObject({ code: 1, stderr: expect.stringContaining('has no component card') });
  // the base only
  const pulled = await json(['package', 'pull', url, ...store, '--component', 'base']);
  expect(pulled).toMatchObject({ version: '1', changed: true, totalBytes: readFileSync(at('model.gguf')).length });
  const { stdout } = await espalier(['package', 'list', ...store]);
  expect(stdout).toMatch(/tiny +1 +base +/);

  const bytes = readFileSync(at('model.gguf'));
  for (let i = 0; i < 2000; i += 34) bytes[bytes.length - 10 - i] ^= 1;
  writeFileSync(at('model.gguf'), bytes);
  await pack('2');
  await publish();
  expect(await json(['package', 'update', ...store, '--dry-run'])).toMatchObject({ version: '2', changed: false });
  const asked = await espalier(['package', 'update', 'tiny', ...store, '--metered']);
  expect(asked).toMatchObject({ code: 1, stderr: expect.stringContaining('--metered') });
  expect(await json(['package', 'update', 'tiny', ...store])).toMatchObject({ version: '2', pieces: { delta: 1 } });
  expect(await json(['package', 'update', 'tiny', ...store, '--component', 'draft'])).toMatchObject({ changed: true });
  expect(await json(['test', 'tiny', ...store])).toMatchObject({ version: '2', checks: [] });
  expect(await json(['test', 'tiny', ...store, '--component', 'draft'])).toMatchObject({ version: '2' });
  process.env.ESPALIER_PACKAGES = at('store');
  const run = (...more: string[]) => json(['run', 'package:tiny', 'one', '-n', '20', '--temperature', '0', ...more]);
  expect((await run('--component', 'draft')).text).toBe((await run()).text);
  const missing = await espalier(['test', 'tiny', ...store, '--component', 'adapter/legal']);
  expect(missing).toMatchObject({ code: 1, stderr: expect.stringContaining('it has base, draft') });
  const unknown = await espalier(['package', 'update', 'other', ...store]);
  expect(unknown).toMatchObject({ code: 1, stderr: expect.stringContaining('other') });
});

it('packs the parts of a split model, and refuses a folder that is none', async () => {
  const none = await espalier([
    'package',
    'pack',
    at('other'),
    '--name',
    'x',
    '--as',
    '1',
    '--component',
    `base=${folder}`,
  ]);
  expect(none).toMatchObject({ code: 1, stderr: expect.stringContaining('expected a Hugging Face folder') });
  writeFileSync(at('x-00001-of-00002.gguf'), readFileSync(at('model.gguf')));
  const half = [
    'package',
    'pack',
    at('other'),
    '--name',
    'x',
    '--as',
    '1',
    '--component',
    `base=${at('x-00001-of-00002.gguf')}`,
  ];
  expect(await espalier(half)).toMatchObject({ code: 1, stderr: expect.stringContaining('x-00002-of-00002.gguf') });
  writeFileSync(at('x-00002-of-00002.gguf'), 'anything');
  expect(await json(half)).toMatchObject({ name: 'x' });
});
