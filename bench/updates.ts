/**
 * Bytes on the wire of model updates, beside other updaters: Espalier's are counted at an HTTP server, from the first request to the last,
 * zsync's too, rsync's in both directions; for bsdiff, xdelta3 and zstd the patch file alone counts, for casync the index and the new chunks.
 * Versions of several files are one after another in one file for the others.
 *
 *   npx tsx bench/updates.ts               8.4 M weights in Q4_0
 *   npx tsx bench/updates.ts --format Q4_K --tensors 64
 *   npx tsx bench/updates.ts --only split,tokens            rows with these words in their name
 *   npx tsx bench/updates.ts --big         600 MB, with time and memory
 *   npx tsx bench/updates.ts --pairs       the included model trained longer and with an adapter merged, made by bench/updatePairs.ts
 *   npx tsx bench/updates.ts --old a.gguf --new b.gguf      a pair of real files
 */
import {
  appendFileSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { parseArgs } from 'node:util';
import { formatByName } from '../src/tensor/formats.ts';
import { pairFile, pairNames, pairTypes } from './updatePairs.ts';
import { installUpdaters, updaters } from './updaters.ts';
import { type StoredFile, update } from './updates/espalier.ts';
import type { ModelFile } from './updates/modelFiles.ts';
import { bigScenarios, type Scenario, smallScenarios, type Version } from './updates/scenarios.ts';

const { values } = parseArgs({
  options: {
    format: { type: 'string', default: 'Q4_0' },
    tensors: { type: 'string' },
    only: { type: 'string' },
    old: { type: 'string' },
    new: { type: 'string' },
    pairs: { type: 'boolean' },
    big: { type: 'boolean' },
    'no-peers': { type: 'boolean' },
    help: { type: 'boolean', short: 'h' },
  },
});
if (values.help) {
  console.log(`Compares the bytes that model updates need: Espalier's packages, bsdiff, xdelta3, zstd, zsync, casync, rsync and Xet's chunker. It installs those that are missing.

  --format NAME   block format of the weights (default: Q4_0)
  --tensors N     tensors of 512 x 512 weights (default: 32), with --big of 2048 x 2048 (default: 256)
  --only WORDS    only rows whose name contains one of these words, separated by commas
  --big           600 MB of weights, with time and memory
  --pairs         instead the included model before and after more training, made by bench/updatePairs.ts
  --old, --new    instead two GGUF files
  --no-peers      without the other updaters

stdout gets a table and, on the last line, one JSON object. The exit code is 1 if a row exceeds its limit.`);
  process.exit();
}

if (!values['no-peers']) installUpdaters();
const format = formatByName(values.format);
/** Limits of a version: publishing at most 2 minutes per GB, memory of decoding 32 MB and one piece. */
const SECONDS_PER_GIGABYTE = 120;
const MEMORY_MEGABYTES = 32 + 4.2;
const ROLLBACK_SECONDS = 0.1;
/** What every update needs: latest.json, and the index. */
const OVERHEAD = 20_000;

const folder = mkdtempSync(join(tmpdir(), 'espalier-updates-'));
const at = (name: string) => join(folder, name);

/** A file that exists already. */
const stored = (path: string): ModelFile => ({
  role: 'base',
  fileName: 'model.gguf',
  write: async (to) => copyFileSync(path, to),
});

function scenarios(): readonly Scenario[] {
  if (values.old !== undefined && values.new !== undefined) {
    const name = `${basename(values.old)} → ${basename(values.new)}`;
    return [{ name, old: [stored(values.old)], to: [stored(values.new)] }];
  }
  if (values.pairs)
    return pairTypes.flatMap((type) =>
      pairNames
        .filter((name) => existsSync(pairFile(name, type)))
        .map((name) => ({
          name: `${name}, ${type}`,
          old: [stored(pairFile('base', type))],
          to: [stored(pairFile(name, type))],
        })),
    );
  const count = Number(values.tensors ?? (values.big ? 256 : 32));
  return values.big ? bigScenarios(count) : smallScenarios(format.name, count);
}

/** Writes the files of a version, and for the other updaters one file with all of them. */
async function writeVersion(version: Version, name: string): Promise<StoredFile[]> {
  mkdirSync(at(`${name}.files`), { recursive: true });
  const files: StoredFile[] = [];
  for (const { role, fileName, write } of version) {
    const path = at(`${name}.files/${fileName}`);
    await write(path);
    files.push({ role, fileName, path });
  }
  rmSync(at(name), { force: true });
  for (const { path } of files) if (version.length > 1) appendFileSync(at(name), readFileSync(path));
  if (version.length === 1) copyFileSync(files[0].path, at(name));
  return files;
}

const words = values.only?.split(',');
const chosen = scenarios().filter(({ name }) => !words || words.some((word) => name.includes(word)));
const rows: Record<string, unknown>[] = [];
const failed: string[] = [];
try {
  let written: Version | undefined;
  let oldFiles: StoredFile[] = [];
  for (const { name, old, between = [], to, limit } of chosen) {
    if (written !== old) oldFiles = await writeVersion(old, 'old');
    written = old;
    const versions = [oldFiles];
    for (const [i, each] of between.entries()) versions.push(await writeVersion(each, `between${i}`));
    versions.push(await writeVersion(to, 'new'));
    const { size } = statSync(at('new'));
    const { bytes, chain, publishing, pulling, rollback, memory } = await update(versions, folder, values.big);
    const others: Record<string, number | undefined> = {};
    for (const updater of values['no-peers'] ? [] : updaters)
      if (size <= (updater.mostBytes ?? Number.POSITIVE_INFINITY)) others[updater.name] = await updater.bytes(folder);
    const most = Math.round(limit?.(size, chain) ?? 1.001 * size + OVERHEAD);
    const best = Math.min(...Object.values(others).filter((other) => other !== undefined));
    const limits: Record<string, boolean> = {
      bytes: bytes <= most,
      rollback: rollback <= ROLLBACK_SECONDS,
      publishing: publishing <= 1 + (SECONDS_PER_GIGABYTE * size) / 1e9,
      memory: (memory ?? 0) <= MEMORY_MEGABYTES,
    };
    for (const [what, isKept] of Object.entries(limits)) if (!isKept) failed.push(`${name}: ${what}`);
    rows.push({
      name,
      size,
      espalier: bytes,
      limit: most,
      ok: bytes <= most,
      best: bytes <= best,
      ...others,
      ...(between.length > 0 && { chain }),
      publishing: rounded(publishing),
      pulling: rounded(pulling),
      rollback: rounded(rollback, 1000),
      ...(memory !== undefined && { memory: Math.round(memory) }),
    });
    console.error(`${name}: ${bytes} of ${size} bytes, limit ${most}, the best peer ${best}`);
  }
} finally {
  rmSync(folder, { recursive: true });
}
console.table(rows);
const behind = rows.filter(({ best }) => !best).map(({ name }) => name);
if (behind.length > 0)
  console.error(
    `a peer's patch is smaller: ${behind.join('; ')}. An update also carries the version, its signature's place and the hashes of what ` +
      'changed; and the header of a GGUF that was another format has no predecessor, so its vocabulary is sent, compressed.',
  );
if (failed.length > 0) console.error(`beyond their limits: ${failed.join('; ')}`);
const peakMegabytes = Math.round(process.resourceUsage().maxRSS / 1000);
console.log(JSON.stringify({ format: format.name, rows, failed, peakMegabytes }));
process.exitCode = failed.length > 0 ? 1 : 0;

function rounded(seconds: number, parts = 100): number {
  return Math.round(seconds * parts) / parts;
}
