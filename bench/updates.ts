/**
 * Bytes on the wire of model updates, beside other updaters: Espalier's are counted at an HTTP server, from the first request to the last;
 * for bsdiff, xdelta3 and zstd the patch file alone counts.
 *
 *   npx tsx bench/updates.ts               8.4 M weights in Q4_0
 *   npx tsx bench/updates.ts --format Q4_K --tensors 64
 */
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join, normalize } from 'node:path';
import { parseArgs } from 'node:util';
import { seededRandom } from '../src/core/random.ts';
import { memorySink } from '../src/formats/byteSink.ts';
import { writeGguf } from '../src/formats/gguf/write.ts';
import { memorySource } from '../src/formats/sources/memory.ts';
import { BlockDeltaCoder } from '../src/package/delta/blockDelta.ts';
import { folderPublication, memoryFiles, openRemote, PackageStore, publish, pull } from '../src/package/index.ts';
import type { BlockFormat } from '../src/tensor/blockFormat.ts';
import { formatByName } from '../src/tensor/formats.ts';

const { values } = parseArgs({
  options: {
    format: { type: 'string', default: 'Q4_0' },
    tensors: { type: 'string', default: '32' },
    help: { type: 'boolean', short: 'h' },
  },
});
if (values.help) {
  console.log(`Compares the bytes that model updates need: Espalier's packages, bsdiff, xdelta3 and zstd (those on PATH; Debian has all).

  --format NAME   block format of the weights (default: Q4_0)
  --tensors N     tensors of 512 x 512 weights (default: 32)

stdout gets a table and, on the last line, one JSON object.`);
  process.exit();
}

const format = formatByName(values.format);
const SIDE = 512;
const HEADER_TOKENS = 4000;

type Tensor = readonly [name: string, seed: number, noise: number];
interface Version {
  readonly tensors: readonly Tensor[];
  readonly note?: string;
}

const base: readonly Tensor[] = Array.from({ length: Number(values.tensors) }, (_, i) => [`blk.${i}.weight`, i + 1, 0]);
const noisy = (noise: number) => ({ tensors: base.map(([name, seed]): Tensor => [name, seed, noise]) });

/** Kinds of changes, with the maximum size of their update: a fraction of the file, or bytes. */
const scenarios: readonly {
  readonly name: string;
  readonly to: Version;
  readonly limit?: (bytes: number) => number;
}[] = [
  { name: '21 bytes of metadata', to: { tensors: base, note: 'changed by a few bytes' }, limit: () => 20_000 },
  {
    name: 'one tensor new',
    to: { tensors: base.map(([name, seed, noise], i) => (i === 5 ? [name, 999, 0] : [name, seed, noise])) },
    limit: () => 1.01 * tensorBytes() + 20_000,
  },
  {
    name: 'two tensors appended',
    to: { tensors: [...base, ['extra.0', 1001, 0], ['extra.1', 1002, 0]] },
    limit: () => 2.02 * tensorBytes() + 20_000,
  },
  { name: 'tensors in reverse order', to: { tensors: base.toReversed() }, limit: () => 20_000 },
  { name: 'all weights + 0.1% noise', to: noisy(0.001), limit: (bytes) => 0.023 * bytes },
  { name: 'all weights + 1% noise', to: noisy(0.01), limit: (bytes) => 0.094 * bytes },
  { name: 'all weights + 10% noise', to: noisy(0.1), limit: (bytes) => 0.38 * bytes },
];

function tensorBytes(): number {
  return ((SIDE * SIDE) / format.blockSize) * format.blockBytes;
}

function tensorData([, seed, noise]: Tensor, of: BlockFormat): Uint8Array {
  const [weights, moves] = [seededRandom(seed), seededRandom(seed + 100_000)];
  const blocks = (SIDE * SIDE) / of.blockSize;
  const values = Float32Array.from({ length: SIDE * SIDE }, () => 0.02 * (weights.normal() + noise * moves.normal()));
  const data = new Uint8Array(blocks * of.blockBytes);
  of.encode(values, 0, data, 0, blocks);
  return data;
}

async function fileOf({ tensors, note = 'a description' }: Version): Promise<Uint8Array> {
  const sink = memorySink();
  await writeGguf(sink, {
    metadata: [
      ['general.architecture', 'llama'],
      ['general.description', note],
      ['tokenizer.ggml.tokens', Array.from({ length: HEADER_TOKENS }, (_, i) => `token ${i}`)],
    ],
    tensors: tensors.map((tensor) => ({
      name: tensor[0],
      format,
      shape: [SIDE, SIDE],
      data: () => tensorData(tensor, format),
    })),
  });
  return sink.bytes();
}

const folder = mkdtempSync(join(tmpdir(), 'espalier-updates-'));
const at = (name: string) => join(folder, name);

/** Bytes that Espalier fetches to get from one file to the other. */
async function espalier(from: Uint8Array, to: Uint8Array, name: string): Promise<number> {
  const site = at(name);
  const target = await folderPublication(site);
  let sent = 0;
  const server = createServer((request, response) => {
    const path = join(site, normalize(decodeURIComponent(request.url!)));
    const size = statSync(path, { throwIfNoEntry: false })?.size;
    if (size === undefined) return void response.writeHead(404).end();
    const [, first, last] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '') ?? [];
    const start = Number(first ?? 0);
    const part = readFileSync(path).subarray(start, last ? Number(last) + 1 : size);
    sent += part.length;
    const range = { 'content-range': `bytes ${start}-${start + part.length - 1}/${size}` };
    response.writeHead(first === undefined ? 200 : 206, {
      'content-length': part.length,
      ...(first !== undefined && range),
    });
    response.end(part);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  try {
    const remote = await openRemote(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
    const store = new PackageStore(memoryFiles());
    const component = (bytes: Uint8Array) => [{ role: 'base', fileName: 'model.gguf', source: memorySource(bytes) }];
    await publish(target, component(from), { name: 'model', version: '1' });
    await pull(store, remote);
    await publish(target, component(to), { name: 'model', version: '2' });
    sent = 0;
    await pull(store, remote);
    return sent;
  } finally {
    server.close();
  }
}

/** Command of each peer that writes the file `patch`, and its name in the table. */
const peers: Readonly<Record<string, readonly string[]>> = {
  bsdiff: ['bsdiff', at('old'), at('new'), at('patch')],
  xdelta3: ['xdelta3', '-f', '-9', '-e', '-s', at('old'), at('new'), at('patch')],
  zstd: ['zstd', '-f', '-q', '-19', '--long=27', `--patch-from=${at('old')}`, at('new'), '-o', at('patch')],
};

function peerBytes([command, ...args]: readonly string[]): number | undefined {
  rmSync(at('patch'), { force: true });
  const { error } = spawnSync(command!, args, { stdio: 'ignore' });
  return error ? undefined : statSync(at('patch'), { throwIfNoEntry: false })?.size;
}

/** Output bytes per second of decoding, in MB, the best of five. */
async function decodingSpeed(noise: number): Promise<number> {
  const coder = await BlockDeltaCoder.create();
  const pieces = base.slice(0, 8);
  const before = Buffer.concat(pieces.map((tensor) => tensorData(tensor, format)));
  const after = Buffer.concat(pieces.map(([name, seed]) => tensorData([name, seed, noise], format)));
  const delta = coder.encode(format, before, after)!;
  let best = Number.POSITIVE_INFINITY;
  for (let i = 0; i < 5; i++) {
    const started = performance.now();
    coder.decode(format, before, delta, after.length);
    best = Math.min(best, performance.now() - started);
  }
  return after.length / 1000 / best;
}

const old = await fileOf({ tensors: base });
writeFileSync(at('old'), old);
const rows: Record<string, unknown>[] = [];
try {
  for (const [i, { name, to, limit }] of scenarios.entries()) {
    const file = await fileOf(to);
    writeFileSync(at('new'), file);
    const ours = await espalier(old, file, `site${i}`);
    const others = Object.fromEntries(Object.entries(peers).map(([peer, command]) => [peer, peerBytes(command)]));
    const most = limit && Math.round(limit(file.length));
    rows.push({
      name,
      bytes: file.length,
      espalier: ours,
      limit: most,
      ok: most === undefined || ours <= most,
      ...others,
    });
    console.error(`${name}: ${ours} bytes`);
  }
} finally {
  rmSync(folder, { recursive: true });
}
const speeds: Record<string, number> = {};
for (const noise of [0.001, 0.01, 0.1]) speeds[noise] = Math.round(await decodingSpeed(noise));
console.table(rows);
console.table(speeds);
console.log(JSON.stringify({ format: format.name, rows, decodingMegabytesPerSecond: speeds }));
process.exitCode = rows.every(({ ok }) => ok) ? 0 : 1;
