/**
 * A published package: a static folder that any file server can serve.
 *
 *     latest.json                which generation is the newest, and from which older ones there are updates
 *     manifests/GENERATION.json
 *     files/SHA256               the files of components, whole; pieces are ranges of them
 *     updates/FROM-TO            updateFile.ts
 *     signatures/GENERATION.sig  signature of the manifest and the files, if there is one: trust/oms
 *     derivations/FROM-TO.sig    signed statement of the recipes of an update, if it has any and is signed: trust/derivation.ts
 *     trust/                     TUF metadata, if there is any: trust/tuf
 */
import { z } from 'zod';
import { PackageError } from '../../formats/packages/packageError.ts';

const hash = z.string().regex(/^[0-9a-f]{64}$/);
const count = z.number().int().nonnegative();

const latest = z.strictObject({
  format: z.literal('espalier-published/1'),
  name: z.string().min(1).max(200),
  version: z.string().min(1).max(100),
  generation: hash,
  /** Updates by old generation: bytes of index and manifest patch before the deltas. */
  updates: z.record(hash, count),
  /** Says that the folder has TUF metadata in `trust/`. */
  trust: z.literal('tuf').optional(),
});

export type Latest = z.infer<typeof latest>;

export const LATEST = 'latest.json';
export const MAX_LATEST_BYTES = 64 * 1024;
export const manifestFile = (generation: string) => `manifests/${generation}.json`;
export const componentFile = (sha256: string) => `files/${sha256}`;
export const signatureFile = (generation: string) => `signatures/${generation}.sig`;
/** @param name file name of TUF metadata */
export const trustFile = (name: string) => `trust/${name}`;
/** A copy of latest.json under its hash, which is there as long as the metadata that lists it. */
export const trustedLatestFile = (sha256: string) => trustFile(`targets/${sha256}.${LATEST}`);
export const derivationFile = (from: string, to: string) => `derivations/${from}-${to}.sig`;
export const updateFile = (from: string, to: string) => `updates/${from}-${to}`;

/** @throws {PackageError} BAD_PUBLICATION naming the field */
export function readLatest(bytes: Uint8Array, where: string): Latest {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder().decode(bytes));
  } catch (error) {
    throw new PackageError('BAD_PUBLICATION', `${where}: is not JSON`, { where }, { cause: error });
  }
  const checked = latest.safeParse(value);
  if (checked.success) return checked.data;
  const [{ path, message }] = checked.error.issues as [z.core.$ZodIssue];
  throw new PackageError('BAD_PUBLICATION', `${where}: ${path.join('.')}: ${message}`, {
    where,
    field: path.join('.'),
  });
}
