/** Packages through the command line where something is wrong: damaged stores, missing keys, publishers that do not answer, Ctrl-C. */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { makeModel } from '../../scripts/models/index.ts';
import { espalier, json } from './espalier.ts';

const folder = mkdtempSync(join(tmpdir(), 'espalier-failures-'));
const at = (name: string) => join(folder, name);
let server: Server;
let url: string;
let answer: (request: IncomingMessage, response: ServerResponse, body: Buffer) => void;

beforeAll(async () => {
  writeFileSync(at('model.gguf'), await makeModel({ architecture: 'llama', format: 'Q8_0' }));
  server = createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part) => parts.push(part));
    request.on('end', () => answer(request, response, Buffer.concat(parts)));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
});
afterAll(() => {
  server.closeAllConnections();
  server.close();
  rmSync(folder, { recursive: true });
});

const pack = (site: string, name: string, version: string, ...more: string[]) =>
  espalier([
    ...['package', 'pack', at(site), '--name', name, '--as', version, '--component', `base=${at('model.gguf')}`],
    ...more,
  ]);
const store = (name: string) => ['--store', at(name)];

it('prints bytes, seconds, disk and memory before it begins', async () => {
  await pack('plain', 'plain', '1');
  const pulled = await espalier(['package', 'pull', at('plain'), ...store('plain-store')]);
  expect(pulled.stderr).toMatch(/^[\d.]+ MB to fetch for [\d.]+ MB, about \d+ s, [\d.]+ MB of disk, .* of memory \(/);
  expect(pulled).toMatchObject({ code: 0, stdout: expect.stringMatching(/^plain 1 is installed, [\d.]+ MB were/) });
});

it('refuses what this device cannot run', async () => {
  await pack('newer', 'newer', '1', '--requires', 'engine=9.0.0');
  const newer = await espalier(['package', 'pull', at('newer'), ...store('newer-store')]);
  expect(newer).toMatchObject({ code: 1, stderr: expect.stringContaining('newer 1 needs Espalier 9.0.0') });
  await pack('phones', 'phones', '1', '--requires', 'devices=phone,tablet', '--requires', 'memory=1000');
  const phones = ['package', 'pull', at('phones'), ...store('newer-store'), '--device-class'];
  expect(await espalier([...phones, 'board'])).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('a device of the class phone or tablet, this device has board'),
  });
  expect(await json([...phones, 'phone'])).toMatchObject({ changed: true });
  const wrong = await pack('phones', 'phones', '2', '--requires', 'memory=much');
  expect(wrong).toMatchObject({ code: 1, stderr: expect.stringContaining('Expected a number') });
});

it('exports no damaged file, and lists, updates and repairs packages whose manifest is damaged', async () => {
  for (const name of ['one', 'two']) {
    await pack(name, name, '1');
    await json(['package', 'pull', at(name), ...store('damaged')]);
  }
  const [prefix] = readdirSync(at('damaged/pieces'));
  const [hash] = readdirSync(at(`damaged/pieces/${prefix}`));
  const piece = at(`damaged/pieces/${prefix}/${hash}`);
  const sound = readFileSync(piece);
  writeFileSync(piece, Uint8Array.from(sound).fill(7, 0, 9));
  writeFileSync(at('exported.gguf'), 'before');
  const exported = await espalier(['package', 'export', 'one', at('exported.gguf'), ...store('damaged')]);
  expect(exported).toMatchObject({ code: 1, stderr: expect.stringContaining('in the store, expected') });
  expect(readFileSync(at('exported.gguf'), 'utf8')).toBe('before');
  expect(readdirSync(folder).filter((name) => name.includes('.partial'))).toEqual([]);
  writeFileSync(piece, sound);

  const { generation } = (await json(['package', 'pull', at('one'), ...store('damaged')])) as { generation: string };
  writeFileSync(join(at('damaged/manifests'), generation), '{}');
  const { stdout } = await espalier(['package', 'list', ...store('damaged')]);
  expect(stdout).toMatch(/one +damaged/);
  expect(stdout).toMatch(/two +1 +base/);
  expect(stdout).toContain('it is damaged or another manifest');
  const garbage = await espalier(['package', 'gc', ...store('damaged')]);
  expect(garbage).toMatchObject({ code: 1, stderr: expect.stringContaining('damaged') });
  // a publisher that is gone does not keep the other package from being repaired
  renameSync(at('two'), at('gone'));
  const updated = await espalier(['package', 'update', ...store('damaged')]);
  expect(updated).toMatchObject({ code: 1, stderr: expect.stringContaining('1 of 2 packages were not updated: two') });
  expect(updated.stdout).toContain('one 1 is installed');
  expect((await espalier(['package', 'list', ...store('damaged')])).stdout).toMatch(/one +1 +base/);
});

it('leaves the keys alone where the root key is elsewhere', async () => {
  await pack('signed', 'signed', '1');
  await json(['package', 'keys', 'create', at('keys')]);
  await json(['package', 'sign', at('signed'), '--keys', at('keys')]);
  renameSync(at('keys/root.pem'), at('root.pem'));
  const before = readFileSync(at('keys/timestamp.pem'), 'utf8');
  const rotate = ['package', 'keys', 'rotate', at('keys'), '--site', at('signed'), '--role', 'timestamp'];
  expect(await espalier(rotate)).toMatchObject({ code: 1, stderr: expect.stringContaining('root.pem: is needed') });
  expect(readFileSync(at('keys/timestamp.pem'), 'utf8')).toBe(before);
  renameSync(at('root.pem'), at('keys/root.pem'));
  expect(await json(rotate)).toMatchObject({ root: 2 });
  expect(readFileSync(at('keys/timestamp.pem.old'), 'utf8')).toBe(before);
});

it('sends a signature again that has changed, whatever its size', async () => {
  await pack('resigned', 'resigned', '1');
  const files = new Map<string, Buffer>();
  answer = (request, response, body) => {
    if (request.method === 'PUT') files.set(request.url!, body);
    const found = files.get(request.url!);
    response
      .writeHead(found ? 200 : 404, { 'content-length': request.method === 'HEAD' ? (found?.length ?? 0) : 0 })
      .end();
  };
  const { generation } = JSON.parse(readFileSync(at('resigned/latest.json'), 'utf8')) as { generation: string };
  const signature = `signatures/${generation}.sig`;
  for (const content of ['the first signature', 'another signature 1']) {
    await json(['package', 'sign', at('resigned'), '--keys', at('keys')]).catch(() => {});
    writeFileSync(at(`resigned/${signature}`), content);
    await json(['package', 'publish', at('resigned'), url]);
    expect(files.get(`/${signature}`)!.toString()).toBe(content);
  }
});

it('ends with 130 at Ctrl-C while it waits for a server, and the next pull goes on', async () => {
  await pack('slow', 'slow', '1');
  let [isSlow, sent] = [true, 0];
  let child: ReturnType<typeof spawn> | undefined;
  answer = (request, response) => {
    const path = at(`slow${request.url}`);
    if (!existsSync(path)) return void response.writeHead(404).end();
    const bytes = readFileSync(path);
    const [, from, to] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '') ?? [];
    const [start, end] = [Number(from), Math.min(bytes.length, to ? Number(to) + 1 : bytes.length)];
    const part = bytes.subarray(start, end);
    const head = { 'content-length': part.length, 'content-range': `bytes ${start}-${end - 1}/${bytes.length}` };
    response.writeHead(206, head);
    if (request.url!.startsWith('/files/')) sent += part.length;
    if (!isSlow || part.length < 100_000) return void response.end(part);
    // half of the file, and then nothing
    response.write(part.subarray(0, part.length >> 1), () => setTimeout(() => child!.kill('SIGINT'), 300));
  };
  const main = fileURLToPath(new URL('../../dist/cli/main.js', import.meta.url));
  const args = ['package', 'pull', url, ...store('slow-store'), '--no-probe', '--json'];
  child = spawn(process.execPath, [main, ...args]);
  let stderr = '';
  child.stderr!.on('data', (text) => {
    stderr += text;
  });
  const code = await new Promise((resolve) => child.on('close', resolve));
  expect({ code, stderr }).toEqual({ code: 130, stderr: 'espalier: interrupted\n' });
  isSlow = false;
  sent = 0;
  await json(args);
  expect(sent).toBeLessThan(0.6 * readFileSync(at('model.gguf')).length);
});
