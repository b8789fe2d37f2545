/**
 * Installs the newest version of a published package, or updates the installed one: plan → fetch and verify every piece →
 * switch → probe → keep it, or roll back. Fetched pieces are kept, so an interrupted pull can be resumed.
 */
import type { OnProgress } from '../../core/progress.ts';
import {
  MAX_MANIFEST_BYTES,
  type Manifest,
  manifestBytes,
  piecesOf,
  readManifest,
  withRoles,
} from '../../formats/packages/manifest.ts';
import { PackageError } from '../../formats/packages/packageError.ts';
import type { PackageStore } from '../../formats/packages/packageStore.ts';
import type { Pointer } from '../../formats/packages/pointer.ts';
import { applyBytePatch } from '../delta/bytePatch.ts';
import { inputsOf, recipeOf } from '../derive/recipe.ts';
import { type TrustOptions, type VerifyContext, verifyLatest, verifySignature } from '../trust/verifyPublication.ts';
import { bytesPerSecond, isMetered } from './connection.ts';
import { fetchSteps, makePieces } from './fetchSteps.ts';
import { type OfferedDelta, type OfferedDerivation, type Plan, plan } from './plan.ts';
import { LATEST, type Latest, MAX_LATEST_BYTES, readLatest, updateFile } from './published.ts';
import { headOf, manifestOf } from './readPublished.ts';
import { type Remote, readSmall } from './remote.ts';
import { checkRequirements, type Device } from './requirements.ts';
import { wantedRoles } from './wantedRoles.ts';

export interface PullOptions {
  /** Maximum bytes to fetch; larger updates are refused. Default: no limit. */
  readonly maxBytes?: number;
  /**
   * Roles of components to install besides the base, its tokenizer and template, and those that are installed already. Default: those that are
   * installed; all of them at the first time.
   */
  readonly components?: readonly string[];
  /** Only plan the update. */
  readonly dryRun?: boolean;
  /** Properties of this device; packages that it cannot run are refused. The engine's version is always checked. */
  readonly device?: Device;
  /** Speed of the connection for the plan's seconds, in bytes per second. Default: what the browser reports, or 5 million. */
  readonly bytesPerSecond?: number;
  /** True: an update is only fetched with `onPlan`, which asks the user. Default: what the browser reports. */
  readonly metered?: boolean;
  /** Called with the plan before anything is fetched. Throw to refuse it, or await the user's consent. */
  readonly onPlan?: (plan: Plan) => void | Promise<void>;
  /**
   * Tests the new version after the switch, such as `probe`. Models are loaded from the previous version until it succeeds. If it throws,
   * or this process dies, the previous version becomes current again; the error is rethrown.
   */
  readonly probe?: (manifest: Manifest) => Promise<void>;
  /** Pins a root or a key. Packages that declare TUF metadata are verified without it, too. */
  readonly trust?: TrustOptions;
  readonly onProgress?: OnProgress;
  readonly signal?: AbortSignal;
}

export interface PullResult {
  readonly name: string;
  readonly version: string;
  readonly generation: string;
  /** False if the package was up to date, or with `dryRun`. */
  readonly changed: boolean;
  readonly plan: Plan;
}

interface Offer {
  readonly manifest: Manifest;
  readonly deltas: ReadonlyMap<string, OfferedDelta>;
  readonly derivations?: ReadonlyMap<string, OfferedDerivation>;
  /** Path of the update file. */
  readonly update?: string;
}

interface InstalledVersion {
  readonly manifest: Manifest;
  readonly generation: string;
}

/**
 * @throws {TrustError} if signatures are missing, invalid or too old; {PackageError} BAD_PUBLICATION, BAD_MANIFEST, BAD_UPDATE, BAD_PIECE, BAD_DELTA if data is damaged or forged; REQUIREMENTS, METERED,
 *   TOO_MANY_BYTES, STORE_FULL; {SourceError}; the signal's reason. The current version then stays current
 */
export async function pull(store: PackageStore, remote: Remote, options: PullOptions = {}): Promise<PullResult> {
  const { signal } = options;
  const bytes = await readSmall(remote, LATEST, MAX_LATEST_BYTES, signal);
  const { name } = readLatest(bytes, `${remote.name}: ${LATEST}`);
  return store.changing(
    name,
    async () => {
      const context = await trustContext(store, remote, name, options);
      const latest = await verifyLatest(bytes, context);
      if (latest.name !== name)
        throw new PackageError('BAD_PUBLICATION', `${remote.name}: ${LATEST} is of ${name}, signed is ${latest.name}`, {
          expected: latest.name,
          found: name,
        });
      return pullAlone(store, remote, latest, options, context);
    },
    signal,
  );
}

async function trustContext(
  store: PackageStore,
  remote: Remote,
  name: string,
  { trust = {}, dryRun, signal }: PullOptions,
): Promise<VerifyContext> {
  let record = await store.trust(name);
  return {
    remote,
    options: trust,
    get record() {
      return record;
    },
    async keep(more) {
      record = more;
      if (!dryRun) await store.keepTrust(name, more);
    },
    ...(signal && { signal }),
  };
}

async function pullAlone(
  store: PackageStore,
  remote: Remote,
  latest: Latest,
  options: PullOptions,
  trust: VerifyContext,
): Promise<PullResult> {
  const { dryRun = false, signal } = options;
  const { name, generation } = latest;
  // a test that a crash interrupted has failed
  const current = dryRun ? await store.current(name) : await store.reject(name);
  // a manifest that is damaged here is fetched again
  const installed =
    current && (await store.manifest(current.generation).catch((error) => ifDamaged(error, 'BAD_MANIFEST')));
  const offer: Offer =
    installed && current?.generation === generation
      ? { manifest: installed, deltas: new Map() }
      : await receiveOffer(
          remote,
          latest,
          installed && { manifest: installed, generation: current.generation },
          signal,
        );
  await verifySignature(offer.manifest, generation, current?.generation, trust);
  // before its pieces are looked for, so that no collection removes them meanwhile
  const release = dryRun ? async () => {} : await store.expect(offer.manifest);
  try {
    return await installOffer(store, remote, offer, { current, installed, latest }, options);
  } finally {
    await release();
  }
}

interface Situation {
  readonly current: Pointer | undefined;
  /** Manifest of the installed version; undefined if it is damaged or there is none. */
  readonly installed: Manifest | undefined;
  readonly latest: Latest;
}

async function installOffer(
  store: PackageStore,
  remote: Remote,
  offer: Offer,
  { current, installed, latest: { name, version, generation } }: Situation,
  options: PullOptions,
): Promise<PullResult> {
  const { maxBytes = Number.POSITIVE_INFINITY, dryRun, onPlan, probe, onProgress, signal } = options;
  const { manifest, update } = offer;
  const before = installed && (await store.installed(current!.generation, installed));
  const roles = wantedRoles(manifest, installed, before, options.components);
  const wanted = roles ? withRoles(manifest, roles) : manifest;
  const here = await piecesHere(store, wanted, offer);
  const planned = plan(wanted, here, offer.deltas, offer.derivations, options.bytesPerSecond ?? bytesPerSecond());
  const result = { name, version, generation, plan: planned };
  const hasAll = before?.components.length === wanted.components.length;
  const isCurrent = hasAll && current?.generation === generation && !current.trial && planned.fetchBytes === 0;
  if (isCurrent) return { ...result, changed: false };
  checkRequirements(wanted, options.device);
  await onPlan?.(planned);
  if (!onPlan && !dryRun && planned.fetchBytes > 0 && (options.metered ?? isMetered())) {
    const problem = `needs ${planned.fetchBytes} bytes, and the connection is metered: ask the user in onPlan`;
    throw new PackageError('METERED', `${name} ${version} ${problem}`, { needed: planned.fetchBytes });
  }
  if (planned.fetchBytes > maxBytes) {
    const message = `${name} ${version} needs ${planned.fetchBytes} bytes but at most ${maxBytes} may be fetched`;
    throw new PackageError('TOO_MANY_BYTES', message, { needed: planned.fetchBytes, allowed: maxBytes });
  }
  if (dryRun) return { ...result, changed: false };
  try {
    const rest = await makePieces(store, planned, maxBytes, signal);
    await fetchSteps(rest, { store, remote, name, update, onProgress, signal });
  } catch (error) {
    // what was fetched until then is not fetched again
    await store.flush().catch(() => {});
    throw error;
  }
  await store.commit(manifest, probe !== undefined, roles);
  await store.partOf(name).remove();
  if (probe) {
    try {
      await probe(manifest);
    } catch (error) {
      await store.reject(name);
      throw error;
    }
  }
  await store.accept(name);
  return { ...result, changed: true };
}

/** Fetches the new manifest and its deltas from the update file if there is one, otherwise only the manifest. */
async function receiveOffer(
  remote: Remote,
  { generation, updates, name }: Latest,
  installed: InstalledVersion | undefined,
  signal?: AbortSignal,
): Promise<Offer> {
  const head = installed && updates[installed.generation];
  const found = head === undefined ? undefined : await receiveUpdate(remote, generation, installed!, head, signal);
  const offer = found ?? {
    manifest: await manifestOf(remote, generation, signal),
    deltas: new Map<string, OfferedDelta>(),
  };
  if (offer.manifest.name === name) return offer;
  const problem = `${LATEST} is of ${name} but its manifest of ${offer.manifest.name}`;
  throw new PackageError('BAD_PUBLICATION', `${remote.name}: ${problem}`, {
    expected: name,
    found: offer.manifest.name,
  });
}

async function receiveUpdate(
  remote: Remote,
  generation: string,
  { manifest: old, generation: oldGeneration }: InstalledVersion,
  headBytes: number,
  signal?: AbortSignal,
): Promise<Offer | undefined> {
  const update = updateFile(oldGeneration, generation);
  const where = `${remote.name}: ${update}`;
  const head = await headOf(remote, update, headBytes, signal);
  if (!head) return undefined;
  const { index, patch } = head;
  const [bytes] = index.manifest;
  if (bytes > MAX_MANIFEST_BYTES)
    throw new PackageError('BAD_UPDATE', `${where}: a manifest of ${bytes} bytes`, { where });
  const manifest = readManifest(await applyBytePatch(manifestBytes(old), patch, bytes), where, generation);
  const [oldPieces, newPieces] = [[...piecesOf(old)], [...piecesOf(manifest)]];
  const deltas = new Map<string, OfferedDelta>();
  let offset = head.bytes;
  for (const [to, base, length] of index.deltas) {
    const [made, used] = [newPieces[to], base === null ? undefined : oldPieces[base]];
    if (!made || (base !== null && !used))
      throw new PackageError('BAD_UPDATE', `${where}: a delta of a piece that does not exist`, { where });
    deltas.set(made.piece.sha256, { ...(used && { from: used.piece }), offset, bytes: length });
    offset += length;
  }
  const derivations = new Map<string, OfferedDerivation>();
  for (const listed of index.derived) {
    const found = recipeOf(listed, oldPieces, newPieces);
    if (!found) throw new PackageError('BAD_UPDATE', `${where}: a recipe that does not fit its tensors`, { where });
    derivations.set(found.placed.piece.sha256, found.recipe);
  }
  if (offset > head.size)
    throw new PackageError('BAD_UPDATE', `${where}: its deltas end at byte ${offset} of ${head.size}`, { where });
  return { manifest, deltas, derivations, update };
}

/** Returns undefined if the error has the code. @throws the error otherwise */
function ifDamaged(error: unknown, code: string): undefined {
  if ((error as { code?: string }).code !== code) throw error;
}

/** Returns which of the target's pieces and the deltas' base pieces are stored, by hash. */
async function piecesHere(
  store: PackageStore,
  manifest: Manifest,
  { deltas, derivations }: Offer,
): Promise<Set<string>> {
  const here = new Set<string>();
  const wanted = [
    ...[...piecesOf(manifest)].map(({ piece }) => piece),
    ...[...deltas.values()].flatMap(({ from }) => from ?? []),
    ...[...(derivations?.values() ?? [])].flatMap(inputsOf),
  ];
  for (const piece of wanted) if (!here.has(piece.sha256) && (await store.has(piece))) here.add(piece.sha256);
  return here;
}
