/**
 * Client of a TUF repository. `refresh` follows the specification's workflow: root by root, then timestamp, snapshot and targets; each is
 * verified against the one before it and kept only then. `findTarget` returns the hashes of a file.
 *
 * Refused by name: EXPIRED (also a server that freezes clients at an old version), ROLLBACK, MIX_AND_MATCH, CLOCK_SET_BACK, BAD_SIGNATURE.
 */
import type { TufState } from '../../../formats/packages/trustRecord.ts';
import { toHex } from '../encodings.ts';
import { TrustError } from '../trustError.ts';
import { isDelegated } from './delegations.ts';
import { type Metadata, type MetaFile, type RoleType, readMetadata, type Signed, type TargetFile } from './metadata.ts';
import { verifyThreshold } from './threshold.ts';

export interface TufOptions {
  /** Location of the repository for error messages. */
  readonly name: string;
  /** Reads a metadata file such as '2.root.json'. Returns undefined if it does not exist. @param most maximum bytes */
  readonly read: (file: string, most: number) => Promise<Uint8Array | undefined>;
  /** Called whenever more is trusted than before. */
  readonly keep?: (state: TufState) => Promise<void>;
  /** Default: the system's clock. */
  readonly now?: () => Date;
}

export const MAX_ROOT_BYTES = 512_000;
const MAX_TIMESTAMP_BYTES = 16_384;
const MAX_SNAPSHOT_BYTES = 2_000_000;
const MAX_TARGETS_BYTES = 5_000_000;
/** Maximum number of new roots in one refresh. */
const MAX_ROTATIONS = 256;
/** Maximum number of delegated roles that are asked for a file. */
const MAX_DELEGATIONS = 32;

export class TufClient {
  readonly #options: TufOptions;
  #state: TufState;
  #root!: Signed<'root'>;
  #snapshot?: Signed<'snapshot'>;
  #isChanged = false;

  /** @param state what an earlier client kept, or `{ root }` with a root that the user trusts */
  constructor(state: TufState, options: TufOptions) {
    this.#state = state;
    this.#options = options;
  }

  get state(): TufState {
    return this.#state;
  }

  /** @throws {TrustError}; whatever `read` throws */
  async refresh(): Promise<void> {
    await this.#refreshRoot();
    const timestamp = await this.#refreshTimestamp();
    this.#snapshot = await this.#refreshSnapshot(timestamp.meta['snapshot.json']);
    await this.#targets('targets', this.#root.keys, this.#root.roles.targets);
    const now = this.#now();
    const { refreshed } = this.#state;
    // a day is exact enough, and saves a write for every refresh
    if (!refreshed || now.getTime() - Date.parse(refreshed) > 86_400_000 || this.#isChanged)
      await this.#keep({
        refreshed: new Date(Math.max(now.getTime(), Date.parse(refreshed ?? '') || 0)).toISOString(),
      });
  }

  /** Searches targets and its delegations in their order. Call `refresh` first. @throws {TrustError} NO_TARGET if nobody lists the file */
  async findTarget(path: string): Promise<TargetFile> {
    const root = { name: 'targets', keys: this.#root.keys, role: this.#root.roles.targets };
    const waiting = [root];
    const visited = new Set<string>();
    while (waiting.length > 0 && visited.size <= MAX_DELEGATIONS) {
      const { name, keys, role } = waiting.pop()!;
      if (visited.has(name)) continue;
      visited.add(name);
      const { targets, delegations } = await this.#targets(name, keys, role);
      if (Object.hasOwn(targets, path)) return targets[path];
      const next = [];
      for (const delegated of delegations?.roles ?? []) {
        if (!isDelegated(delegated, path)) continue;
        next.push({ name: delegated.name, keys: delegations!.keys, role: delegated });
        // the search ends with a terminating role
        if (delegated.terminating) {
          waiting.length = 0;
          break;
        }
      }
      waiting.push(...next.reverse());
    }
    throw new TrustError('NO_TARGET', `${this.#options.name}: no trusted role lists ${path}`, { path });
  }

  async #refreshRoot(): Promise<void> {
    const kept = this.#read('root', this.#state.root, 'the trusted root.json');
    await verifyThreshold(kept, kept.signed.keys, kept.signed.roles.root, 'the trusted root.json');
    this.#root = kept.signed;
    for (let i = 0; i < MAX_ROTATIONS; i++) {
      const { version, keys, roles } = this.#root;
      const file = `${version + 1}.root.json`;
      const bytes = await this.#options.read(file, MAX_ROOT_BYTES);
      if (!bytes) break;
      const next = this.#read('root', bytes, this.#where(file));
      await verifyThreshold(next, keys, roles.root, this.#where(file));
      await verifyThreshold(next, next.signed.keys, next.signed.roles.root, this.#where(file));
      if (next.signed.version !== version + 1) throw this.#rollback(file, next.signed.version, version + 1);
      this.#root = next.signed;
      await this.#keep({ root: text(bytes) });
    }
    this.#checkFresh('root.json', this.#root);
  }

  async #refreshTimestamp(): Promise<Signed<'timestamp'>> {
    const file = 'timestamp.json';
    // metadata of keys that were replaced is forgotten, so that a stolen key cannot block updates with huge versions
    const kept = await this.#kept('timestamp', this.#state.timestamp);
    const bytes = await this.#required(file, MAX_TIMESTAMP_BYTES);
    const found = await this.#verified('timestamp', bytes, file);
    if (kept) {
      if (found.version < kept.version) throw this.#rollback(file, found.version, kept.version);
      const [before, after] = [kept, found].map(({ meta }) => meta['snapshot.json'].version) as [number, number];
      if (after < before) throw this.#rollback(`${file}: its snapshot`, after, before);
    }
    const current = kept?.version === found.version ? kept : found;
    // before it is kept: an expired file must not replace a good one
    this.#checkFresh(file, current);
    if (current === found) await this.#keep({ timestamp: text(bytes) });
    return current;
  }

  async #refreshSnapshot(wanted: MetaFile): Promise<Signed<'snapshot'>> {
    const file = this.#root.consistent_snapshot ? `${wanted.version}.snapshot.json` : 'snapshot.json';
    const kept = await this.#kept('snapshot', this.#state.snapshot);
    if (kept && kept.version === wanted.version && (await matches(wanted, this.#state.snapshot!))) {
      this.#checkFresh(file, kept);
      return kept;
    }
    const bytes = await this.#required(file, MAX_SNAPSHOT_BYTES);
    if (!(await matches(wanted, bytes))) throw this.#mixed(file, 'has another length or hash than timestamp.json says');
    const found = await this.#verified('snapshot', bytes, file);
    if (found.version !== wanted.version)
      throw this.#mixed(file, `has version ${found.version}, but timestamp.json says ${wanted.version}`);
    for (const [name, { version }] of Object.entries(kept?.meta ?? {})) {
      const after = Object.hasOwn(found.meta, name) ? found.meta[name].version : 0;
      if (after < version) throw this.#rollback(`${file}: ${name}`, after, version);
    }
    this.#checkFresh(file, found);
    await this.#keep({ snapshot: text(bytes) });
    return found;
  }

  /** The verified metadata of targets or of a delegated role. */
  async #targets(name: string, ...[keys, role]: VerifyWith): Promise<Signed<'targets'>> {
    const listed = `${name}.json`;
    const { meta } = this.#snapshot!;
    const wanted = Object.hasOwn(meta, listed) ? meta[listed] : undefined;
    if (!wanted) throw this.#mixed(listed, 'is not in the snapshot');
    const encoded = encodeURIComponent(name);
    const file = this.#root.consistent_snapshot ? `${wanted.version}.${encoded}.json` : `${encoded}.json`;
    const kept = this.#state.targets?.[name];
    const isKept = kept !== undefined && (await matches(wanted, kept));
    const bytes = isKept ? new TextEncoder().encode(kept) : await this.#required(file, MAX_TARGETS_BYTES);
    if (!isKept && !(await matches(wanted, bytes)))
      throw this.#mixed(file, 'has another length or hash than the snapshot says');
    try {
      const metadata = this.#read('targets', bytes, this.#where(file));
      await verifyThreshold(metadata, keys, role, this.#where(file));
      if (metadata.signed.version !== wanted.version)
        throw this.#mixed(file, `has version ${metadata.signed.version}, but the snapshot says ${wanted.version}`);
      this.#checkFresh(file, metadata.signed);
      if (!isKept) await this.#keep({ targets: { ...this.#state.targets, [name]: text(bytes) } });
      return metadata.signed;
    } catch (error) {
      if (!isKept) throw error;
      // the kept file is of older keys or another version
      const { [name]: _old, ...others } = this.#state.targets!;
      this.#state = { ...this.#state, targets: others };
      return this.#targets(name, keys, role);
    }
  }

  /** The stored metadata, if it is still signed by keys of the current root. */
  async #kept<T extends 'timestamp' | 'snapshot'>(type: T, kept: string | undefined): Promise<Signed<T> | undefined> {
    if (kept === undefined) return undefined;
    try {
      return await this.#verified(type, new TextEncoder().encode(kept), `the kept ${type}.json`);
    } catch (error) {
      if (error instanceof TrustError) return undefined;
      throw error;
    }
  }

  async #verified<T extends 'timestamp' | 'snapshot'>(type: T, bytes: Uint8Array, file: string): Promise<Signed<T>> {
    const metadata = this.#read(type, bytes, this.#where(file));
    await verifyThreshold(metadata, this.#root.keys, this.#root.roles[type], this.#where(file));
    return metadata.signed;
  }

  #read<T extends RoleType>(type: T, content: Uint8Array | string, where: string): Metadata<T> {
    const bytes = typeof content === 'string' ? new TextEncoder().encode(content) : content;
    return readMetadata(type, bytes, where);
  }

  async #required(file: string, most: number): Promise<Uint8Array> {
    const bytes = await this.#options.read(file, most);
    if (bytes) return bytes;
    throw new TrustError('NOT_SIGNED', `${this.#where(file)} is missing`, { where: this.#options.name, file });
  }

  async #keep(change: Partial<TufState>): Promise<void> {
    this.#state = { ...this.#state, ...change };
    this.#isChanged = true;
    await this.#options.keep?.(this.#state);
  }

  #checkFresh(file: string, { expires }: { readonly expires: string }): void {
    const now = this.#now();
    const end = Date.parse(expires);
    const data = { where: this.#where(file), expires, now: now.toISOString() };
    if (now.getTime() >= end) {
      const advice = 'its publisher must sign it anew, or this device has a wrong clock';
      throw new TrustError('EXPIRED', `${this.#where(file)} expired at ${expires}: ${advice}`, data);
    }
    const { refreshed } = this.#state;
    if (refreshed === undefined || Date.parse(refreshed) < end) return;
    const problem = `expired at ${expires}; the clock says ${now.toISOString()} but was at ${refreshed} before`;
    throw new TrustError('CLOCK_SET_BACK', `${this.#where(file)} ${problem}: correct the clock of this device`, {
      ...data,
      refreshed,
    });
  }

  #now(): Date {
    return this.#options.now?.() ?? new Date();
  }

  #where(file: string): string {
    return `${this.#options.name}: ${file}`;
  }

  #rollback(file: string, found: number, expected: number): TrustError {
    const problem = `has version ${found}, expected at least ${expected}: an older version was put in its place`;
    return new TrustError('ROLLBACK', `${this.#where(file)} ${problem}`, { file, found, expected });
  }

  #mixed(file: string, problem: string): TrustError {
    return new TrustError('MIX_AND_MATCH', `${this.#where(file)} ${problem}`, { file });
  }
}

type VerifyWith = readonly [keys: Signed<'root'>['keys'], role: Signed<'root'>['roles']['root']];

/** True if length and hashes are as listed. A hash of an unknown kind matches nothing. */
export async function matches(
  wanted: Pick<MetaFile, 'length' | 'hashes'>,
  content: Uint8Array | string,
): Promise<boolean> {
  const bytes = typeof content === 'string' ? new TextEncoder().encode(content) : content;
  if (wanted.length !== undefined && wanted.length !== bytes.length) return false;
  for (const [algorithm, expected] of Object.entries(wanted.hashes ?? {})) {
    const name = { sha256: 'SHA-256', sha384: 'SHA-384', sha512: 'SHA-512' }[algorithm];
    if (!name) return false;
    if (toHex(new Uint8Array(await crypto.subtle.digest(name, bytes as BufferSource))) !== expected) return false;
  }
  return true;
}

function text(bytes: Uint8Array): string {
  return new TextDecoder().decode(bytes);
}
