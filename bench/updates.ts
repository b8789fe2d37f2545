/**
 * Bytes on the wire of model updates, beside other updaters: Espalier's are counted at an HTTP server, from the first request to the last,
 * zsync's too, rsync's in both directions; for bsdiff, xdelta3 and zstd the patch file alone counts, for casync the index and the new chunks.
 *
 *   npx tsx bench/updates.ts               8.4 M weights in Q4_0
 *   npx tsx bench/updates.ts --format Q4_K --tensors 64
 *   npx tsx bench/updates.ts --big         600 MB
 *   npx tsx bench/updates.ts --pairs       the included model trained longer and with an adapter merged, made by bench/updatePairs.ts
 *   npx tsx bench/updates.ts --old a.gguf --new b.gguf      a pair of real files
 */
import { copyFileSync, existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { parseArgs } from 'node:util';
import { seededRandom } from '../src/core/random.ts';
import { sha256 } from '../src/formats/download/sha256.node.ts';
import { writeGguf } from '../src/formats/gguf/write.ts';
import { fileSink } from '../src/formats/sources/path.node.ts';
import { BlockDeltaCoder } from '../src/package/delta/blockDelta.ts';
import {
  folderPublication,
  installedManifest,
  openComponent,
  openFile,
  openRemote,
  openStore,
  publish,
  pull,
} from '../src/package/index.ts';
import type { BlockFormat } from '../src/tensor/blockFormat.ts';
import { formatByName } from '../src/tensor/formats.ts';
import { pairFile, pairNames, pairTypes } from './updatePairs.ts';
import { countingServer, installUpdaters, updaters } from './updaters.ts';

const { values } = parseArgs({
  options: {
    format: { type: 'string', default: 'Q4_0' },
    tensors: { type: 'string', default: '32' },
    old: { type: 'string' },
    new: { type: 'string' },
    pairs: { type: 'boolean' },
    big: { type: 'boolean' },
    help: { type: 'boolean', short: 'h' },
  },
});
if (values.help) {
  console.log(`Compares the bytes that model updates need: Espalier's packages, bsdiff, xdelta3, zstd, zsync, casync, rsync and Xet's chunker. It installs those that are missing.

  --format NAME   block format of the weights (default: Q4_0)
  --tensors N     tensors of 512 x 512 weights (default: 32)
  --big           600 MB of weights, and the changes that take less than a minute
  --pairs         instead the included model before and after more training, made by bench/updatePairs.ts
  --old, --new    instead two GGUF files

stdout gets a table and, on the last line, one JSON object.`);
  process.exit();
}

installUpdaters();
const format = formatByName(values.format);
const SIDE = 512;
const HEADER_TOKENS = 4000;
/** 600 MB in Q4_0. */
const BIG_TENSORS = 4096;

type Tensor = readonly [name: string, seed: number, noise: number];
interface Version {
  readonly tensors: readonly Tensor[];
  readonly note?: string;
}

const base: readonly Tensor[] = Array.from({ length: values.big ? BIG_TENSORS : Number(values.tensors) }, (_, i) => [
  `blk.${i}.weight`,
  i + 1,
  0,
]);
const noisy = (noise: number) => ({ tensors: base.map(([name, seed]): Tensor => [name, seed, noise]) });

/** Kinds of changes, with the maximum size of their update: a fraction of the file, or bytes. */
const scenarios: readonly {
  readonly name: string;
  readonly to: Version;
  readonly limit?: (bytes: number) => number;
  /** Measured with --big, too. */
  readonly isQuick?: boolean;
}[] = [
  {
    name: '21 bytes of metadata',
    to: { tensors: base, note: 'changed by a few bytes' },
    limit: () => 20_000,
    isQuick: true,
  },
  {
    name: 'one tensor new',
    to: { tensors: base.map(([name, seed, noise], i) => (i === 5 ? [name, 999, 0] : [name, seed, noise])) },
    limit: () => 1.01 * tensorBytes() + 20_000,
    isQuick: true,
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

const folder = mkdtempSync(join(tmpdir(), 'espalier-updates-'));
const at = (name: string) => join(folder, name);

async function writeVersion(path: string, { tensors, note = 'a description' }: Version): Promise<void> {
  const sink = await fileSink(path);
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
  await sink.close();
}

interface Update {
  /** Bytes that are fetched to get from the file `old` to the file `new`. */
  readonly bytes: number;
  /** Seconds to publish the second version, and to pull it. */
  readonly publishing: number;
  readonly pulling: number;
}

async function espalier(): Promise<Update> {
  const site = at('site');
  const target = await folderPublication(site);
  const server = await countingServer(site);
  const publishFile = async (name: string, version: string) => {
    const source = await openFile(at(name));
    const started = performance.now();
    await publish(target, [{ role: 'base', fileName: 'model.gguf', source }], { name: 'model', version });
    await source.close();
    return (performance.now() - started) / 1000;
  };
  try {
    const remote = await openRemote(server.url);
    const store = openStore(at('store'));
    await publishFile('old', '1');
    await pull(store, remote);
    const publishing = await publishFile('new', '2');
    server.sent = 0;
    const started = performance.now();
    await pull(store, remote);
    const pulling = (performance.now() - started) / 1000;
    const { sent } = server;
    const installed = await openComponent(store, 'model');
    const exported = sha256();
    for (let from = 0; from < installed.size; from += 1 << 20) {
      const part = new Uint8Array(Math.min(1 << 20, installed.size - from));
      await installed.read(from, part.length, part);
      exported.update(part);
    }
    await installed.close();
    const { components } = await installedManifest(store, 'model');
    if (exported.hex() !== components[0]!.file.sha256) throw new Error('the installed file is not the published one');
    return { bytes: sent, publishing, pulling };
  } finally {
    server.close();
    for (const name of ['site', 'store']) rmSync(at(name), { recursive: true, force: true });
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

/** A change to measure: `old` and `new` are files of the folder, or written there. */
interface Change {
  readonly name: string;
  readonly old: () => Promise<void> | void;
  readonly make: () => Promise<void> | void;
  readonly limit?: (bytes: number) => number;
}

const copied = (path: string, name: string) => () => copyFileSync(path, at(name));

function changes(): Change[] {
  if (values.old !== undefined && values.new !== undefined) {
    const name = `${basename(values.old)} → ${basename(values.new)}`;
    return [{ name, old: copied(values.old, 'old'), make: copied(values.new, 'new') }];
  }
  if (values.pairs)
    return pairTypes.flatMap((type) =>
      pairNames
        .filter((name) => existsSync(pairFile(name, type)))
        .map((name) => ({
          name: `${name}, ${type}`,
          old: copied(pairFile('base', type), 'old'),
          make: copied(pairFile(name, type), 'new'),
        })),
    );
  const chosen = values.big ? scenarios.filter(({ isQuick }) => isQuick) : scenarios;
  const old = () => (existsSync(at('old')) ? undefined : writeVersion(at('old'), { tensors: base }));
  return chosen.map(({ name, to, limit }) => ({
    name,
    old,
    make: () => writeVersion(at('new'), to),
    ...(limit && { limit }),
  }));
}

const rows: Record<string, unknown>[] = [];
try {
  for (const { name, old, make, limit } of changes()) {
    await old();
    await make();
    const { size } = statSync(at('new'));
    const { bytes, publishing, pulling } = await espalier();
    const others: Record<string, number | undefined> = {};
    for (const updater of updaters)
      if (size <= (updater.mostBytes ?? Number.POSITIVE_INFINITY)) others[updater.name] = await updater.bytes(folder);
    // never more than the whole file and 0.1%
    const most = Math.round(limit?.(size) ?? 1.001 * size + 20_000);
    const best = Math.min(...Object.values(others).filter((other) => other !== undefined));
    const seconds = { publishing: rounded(publishing), pulling: rounded(pulling) };
    rows.push({
      name,
      size,
      espalier: bytes,
      limit: most,
      ok: bytes <= most,
      best: bytes <= best,
      ...others,
      ...seconds,
    });
    console.error(`${name}: ${bytes} of ${size} bytes, the best peer ${best}`);
  }
} finally {
  rmSync(folder, { recursive: true });
}
const speeds: Record<string, number> = {};
if (!values.pairs && !values.big)
  for (const noise of [0.001, 0.01, 0.1]) speeds[noise] = Math.round(await decodingSpeed(noise));
console.table(rows);
console.table(speeds);
const peakMegabytes = Math.round(process.resourceUsage().maxRSS / 1000);
console.log(JSON.stringify({ format: format.name, rows, decodingMegabytesPerSecond: speeds, peakMegabytes }));
process.exitCode = rows.every(({ ok }) => ok) ? 0 : 1;

function rounded(seconds: number): number {
  return Math.round(seconds * 100) / 100;
}
