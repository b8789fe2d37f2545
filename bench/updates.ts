/**
 * Bytes on the wire of model updates, beside other updaters: Espalier's are counted at an HTTP server, from the first request to the last,
 * zsync's too, rsync's in both directions; for bsdiff, xdelta3 and zstd the patch file alone counts, for casync the index and the new chunks.
 *
 *   npx tsx bench/updates.ts               8.4 M weights in Q4_0
 *   npx tsx bench/updates.ts --format Q4_K --tensors 64
 *   npx tsx bench/updates.ts --old a.gguf --new b.gguf      a pair of real files
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { parseArgs } from 'node:util';
import { seededRandom } from '../src/core/random.ts';
import { memorySink } from '../src/formats/byteSink.ts';
import { writeGguf } from '../src/formats/gguf/write.ts';
import { memorySource } from '../src/formats/sources/memory.ts';
import { BlockDeltaCoder } from '../src/package/delta/blockDelta.ts';
import { folderPublication, memoryFiles, openRemote, PackageStore, publish, pull } from '../src/package/index.ts';
import type { BlockFormat } from '../src/tensor/blockFormat.ts';
import { formatByName } from '../src/tensor/formats.ts';
import { countingServer, updaters } from './updaters.ts';

const { values } = parseArgs({
  options: {
    format: { type: 'string', default: 'Q4_0' },
    tensors: { type: 'string', default: '32' },
    old: { type: 'string' },
    new: { type: 'string' },
    help: { type: 'boolean', short: 'h' },
  },
});
if (values.help) {
  console.log(`Compares the bytes that model updates need: Espalier's packages, bsdiff, xdelta3, zstd, zsync, casync and rsync (those on PATH; Debian has all).

  --format NAME   block format of the weights (default: Q4_0)
  --tensors N     tensors of 512 x 512 weights (default: 32)
  --old, --new    two GGUF files to measure instead

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
  const server = await countingServer(site);
  try {
    const remote = await openRemote(server.url);
    const store = new PackageStore(memoryFiles());
    const component = (bytes: Uint8Array) => [{ role: 'base', fileName: 'model.gguf', source: memorySource(bytes) }];
    await publish(target, component(from), { name: 'model', version: '1' });
    await pull(store, remote);
    await publish(target, component(to), { name: 'model', version: '2' });
    server.sent = 0;
    await pull(store, remote);
    return server.sent;
  } finally {
    server.close();
  }
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

interface Pair {
  readonly name: string;
  readonly file: () => Promise<Uint8Array>;
  readonly limit?: (bytes: number) => number;
}

const given = values.old !== undefined && values.new !== undefined;
const old = given ? new Uint8Array(readFileSync(values.old!)) : await fileOf({ tensors: base });
const pairs: readonly Pair[] = given
  ? [
      {
        name: `${basename(values.old!)} → ${basename(values.new!)}`,
        file: async () => new Uint8Array(readFileSync(values.new!)),
      },
    ]
  : scenarios.map(({ name, to, limit }) => ({ name, file: () => fileOf(to), ...(limit && { limit }) }));
writeFileSync(at('old'), old);
const rows: Record<string, unknown>[] = [];
try {
  for (const [i, { name, file: make, limit }] of pairs.entries()) {
    const file = await make();
    writeFileSync(at('new'), file);
    const ours = await espalier(old, file, `site${i}`);
    const others: Record<string, number | undefined> = {};
    for (const updater of updaters) others[updater.name] = await updater.bytes(folder);
    // never more than the whole file and 0.1%
    const most = Math.round(limit?.(file.length) ?? 1.001 * file.length + 20_000);
    rows.push({ name, bytes: file.length, espalier: ours, limit: most, ok: ours <= most, ...others });
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
