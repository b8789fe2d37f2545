/** Carries out a plan: makes or fetches the pieces that the store lacks. An interrupted download goes on at the byte where it stopped. */
import type { OnProgress } from '../../core/progress.ts';
import { hashOf } from '../../formats/packages/hash.ts';
import type { Piece } from '../../formats/packages/manifest.ts';
import { PackageError } from '../../formats/packages/packageError.ts';
import type { PackageStore } from '../../formats/packages/packageStore.ts';
import { DeltaCoder } from '../delta/delta.ts';
import { runRecipe } from '../derive/recipe.ts';
import type { Plan, Step } from './plan.ts';
import { componentFile } from './published.ts';
import type { Remote, Run } from './remote.ts';

/**
 * Makes the pieces that need no download. @returns the plan of those that are left; a recipe that makes something else here is replaced by a download
 * @throws {PackageError} TOO_MANY_BYTES if that exceeds the maximum
 */
export async function makePieces(store: PackageStore, planned: Plan, maxBytes: number, signal?: AbortSignal) {
  const steps: Step[] = [];
  let { fetchBytes } = planned;
  for (const step of planned.steps) {
    if (step.how !== 'derive') {
      steps.push(step);
      continue;
    }
    signal?.throwIfAborted();
    const { placed, derivation } = step;
    const read = (piece: Piece, offset: number, into: Uint8Array) => store.read(piece, offset, into);
    const made = await runRecipe(derivation, placed, () => read);
    if (hashOf(made) === placed.piece.sha256) await store.put(placed.piece, made, 'made here');
    else {
      steps.push({ how: 'whole', placed });
      fetchBytes += placed.piece.bytes;
    }
  }
  if (fetchBytes > maxBytes) {
    const message = `a recipe failed on this device, and ${fetchBytes} bytes are needed but at most ${maxBytes} may be fetched`;
    throw new PackageError('TOO_MANY_BYTES', message, { needed: fetchBytes, allowed: maxBytes });
  }
  return { ...planned, steps, fetchBytes };
}

type FetchStep = Extract<Step, { how: 'delta' | 'whole' }>;

/** Steps whose bytes are adjacent in a remote file. */
interface Range {
  readonly path: string;
  readonly offset: number;
  readonly steps: FetchStep[];
  bytes: number;
}

/** Maximum bytes of a request. Adjacent steps in the same file are fetched together. */
const MAX_RANGE_BYTES = 64 * 1024 * 1024;
/** Bytes that are read at a time. At most so many are fetched again after an interruption. */
const READ_BYTES = 32 * 1024;
/** Milliseconds of a slow download after which the received part of a piece is stored, in case this process is killed. */
const KEEP_INTERVAL = 5000;

interface Fetching {
  readonly store: PackageStore;
  readonly remote: Remote;
  /** Name of the package. */
  readonly name: string;
  /** Path of the update file with the deltas. */
  readonly update?: string;
  readonly onProgress?: OnProgress;
  readonly signal?: AbortSignal;
}

export async function fetchSteps(planned: Plan, fetching: Fetching): Promise<void> {
  const { store, name, onProgress, signal } = fetching;
  let done = 0;
  // pieces are fetched one after another into the same buffer, so that no garbage of their size is left
  const room = newBuffer();
  const putStep = stepWriter(fetching);
  for (const range of rangesOf(planned, fetching.update)) {
    const part = await store.partOf(name).read(keyOf(range.path, range.offset, bytesOf(range.steps[0])));
    let run = await open(range.path, range.offset + (part?.length ?? 0), range.bytes - (part?.length ?? 0), fetching);
    try {
      let at = range.offset;
      for (const [i, step] of range.steps.entries()) {
        signal?.throwIfAborted();
        const fetched = room(bytesOf(step));
        const resumed = i === 0 ? part : undefined;
        if (resumed) fetched.set(resumed);
        await receive(run, fetched, resumed?.length ?? 0, keyOf(range.path, at, fetched.length), fetching);
        await putStep(step, fetched, range.path).catch(async (error) => {
          if (!resumed || !/^BAD_(PIECE|DELTA)$/.test(error.code)) throw error;
          // the published file is another one since then
          await store.partOf(name).remove();
          await run.close();
          run = await open(range.path, at, range.bytes, fetching);
          await receive(run, fetched, 0, keyOf(range.path, at, fetched.length), fetching);
          await putStep(step, fetched, range.path);
        });
        at += fetched.length;
        done += fetched.length;
        const item = step.placed.section.name;
        onProgress?.({ stage: 'update', done, total: planned.fetchBytes, unit: 'bytes', item });
      }
    } finally {
      await run.close();
    }
  }
}

/** Identifies a range of a published file. */
const keyOf = (path: string, offset: number, bytes: number) => `${path} ${offset} ${bytes}`;

/** @throws {PackageError} BAD_PUBLICATION if the file is missing or shorter than its manifest or index says */
async function open(path: string, offset: number, bytes: number, { remote, signal }: Fetching): Promise<Run> {
  const run = await remote.open(path, offset, bytes, signal);
  const data = { where: remote.name, path };
  if (!run) throw new PackageError('BAD_PUBLICATION', `${remote.name}: ${path} is missing`, data);
  if (offset + bytes <= run.size) return run;
  await run.close();
  const problem = `${path} has ${run.size} bytes, expected at least ${offset + bytes}`;
  throw new PackageError('BAD_PUBLICATION', `${remote.name}: ${problem}`, data);
}

/** Fills `into` from byte `from` on. What was received is stored if that fails or takes long. */
async function receive(
  run: Run,
  into: Uint8Array,
  from: number,
  key: string,
  { store, name, signal }: Fetching,
): Promise<void> {
  let at = from;
  let kept = performance.now();
  const keep = () => store.partOf(name).keep(key, into.subarray(0, at));
  try {
    while (at < into.length) {
      signal?.throwIfAborted();
      const part = into.subarray(at, at + READ_BYTES);
      await run.read(part);
      at += part.length;
      if (at === into.length || performance.now() - kept < KEEP_INTERVAL) continue;
      await keep();
      kept = performance.now();
    }
  } catch (error) {
    // the error is worth more than the bytes
    if (at > from) await keep().catch(() => {});
    throw error;
  }
}

/** @returns a function that stores the piece of a step */
function stepWriter({ store, remote }: Fetching) {
  let coder: DeltaCoder | undefined;
  return async (step: FetchStep, fetched: Uint8Array, path: string): Promise<void> => {
    const { piece, section } = step.placed;
    const where = `${remote.name}: ${path}`;
    if (step.how === 'whole') return store.put(piece, fetched, where);
    coder ??= await DeltaCoder.create();
    const { from } = step.delta;
    const before = coder.room(from?.bytes ?? piece.bytes, fetched.length);
    if (from) await store.piece(from, before);
    else before.fill(0);
    const made = await coder.decode(before, fetched, piece.bytes).catch((cause) => {
      if (cause.code !== 'BAD_DELTA') throw cause;
      const name = `${where}: delta of ${section.name}`;
      throw new PackageError('BAD_DELTA', `${name}: ${cause.message}`, { where: name }, { cause });
    });
    return store.put(piece, made, where);
  };
}

/** @returns a function that returns the same buffer as long as it is large enough */
function newBuffer(): (bytes: number) => Uint8Array {
  let buffer = new Uint8Array(0);
  return (bytes) => {
    if (buffer.length < bytes) buffer = new Uint8Array(bytes);
    return buffer.subarray(0, bytes);
  };
}

/** Bytes to fetch. */
function bytesOf(step: FetchStep): number {
  return step.how === 'delta' ? step.delta.bytes : step.placed.piece.bytes;
}

function rangesOf({ steps }: Plan, update: string | undefined): Range[] {
  const ranges: Range[] = [];
  // the last range of each file
  const lasts = new Map<string, Range>();
  for (const step of steps) {
    if (step.how === 'have' || step.how === 'derive') continue;
    const isDelta = step.how === 'delta';
    const path = isDelta ? update! : componentFile(step.placed.component.file.sha256);
    const offset = isDelta ? step.delta.offset : step.placed.offset;
    const bytes = bytesOf(step);
    const last = lasts.get(path);
    if (last && last.offset + last.bytes === offset && last.bytes + bytes <= MAX_RANGE_BYTES) {
      last.steps.push(step);
      last.bytes += bytes;
      continue;
    }
    const range = { path, offset, bytes, steps: [step] };
    ranges.push(range);
    lasts.set(path, range);
  }
  return ranges;
}
