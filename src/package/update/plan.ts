/**
 * Plans an update before anything is fetched: a pure function of the stored pieces and the published deltas. Each piece is
 * obtained in the cheapest way: it is already stored, a recipe makes it from stored tensors, a delta creates it from a stored piece, or it is fetched whole.
 */
import { type Manifest, type Piece, type PlacedPiece, piecesOf } from '../../formats/packages/manifest.ts';
import { inputsOf, type Recipe } from '../derive/recipe.ts';

/** A published delta for a piece. */
export interface OfferedDelta {
  /** The piece that it is applied to. Undefined for zeros: it is the new piece in compressed form. */
  readonly from?: Piece;
  /** Offset in the update file, and length in bytes. */
  readonly offset: number;
  readonly bytes: number;
}

/** A published recipe for a piece. */
export type OfferedDerivation = Recipe;

export type Step =
  | { readonly how: 'have'; readonly placed: PlacedPiece }
  | { readonly how: 'derive'; readonly placed: PlacedPiece; readonly derivation: OfferedDerivation }
  | { readonly how: 'delta'; readonly placed: PlacedPiece; readonly delta: OfferedDelta }
  | { readonly how: 'whole'; readonly placed: PlacedPiece };

/** Memory of a derivation besides the piece: a part of the tensor in both formats. */
const DERIVE_BYTES = 1024 * 1024;
/** Speeds of a slow laptop in bytes per second, for the estimate of the time. */
const SPEEDS = { derive: 20e6, delta: 100e6, store: 200e6, fetch: 5e6 };

export interface Plan {
  /** One step per distinct piece, in file order. */
  readonly steps: readonly Step[];
  /** Bytes to fetch, excluding the manifest and index that planning needs. */
  readonly fetchBytes: number;
  /** Total size of the new version's files in bytes. */
  readonly totalBytes: number;
  /** Bytes of new pieces. They are stored in addition to the old ones until those are collected. */
  readonly diskBytes: number;
  /** Peak memory of a step in bytes: old piece, delta and new piece. */
  readonly memoryBytes: number;
  /** Estimated time in seconds. */
  readonly seconds: number;
  readonly pieces: Readonly<Record<Step['how'], number>>;
}

/**
 * @param isHere hashes of the stored, intact pieces
 * @param deltas published deltas by the hash of the piece that they create @param derivations published recipes, likewise
 * @param bytesPerSecond speed of the connection
 */
export function plan(
  target: Manifest,
  isHere: ReadonlySet<string>,
  deltas: ReadonlyMap<string, OfferedDelta>,
  derivations: ReadonlyMap<string, OfferedDerivation> = new Map(),
  bytesPerSecond: number = SPEEDS.fetch,
): Plan {
  const steps = new Map<string, Step>();
  for (const placed of piecesOf(target)) {
    const { sha256, bytes } = placed.piece;
    if (steps.has(sha256)) continue;
    const delta = deltas.get(sha256);
    const derivation = derivations.get(sha256);
    if (isHere.has(sha256)) steps.set(sha256, { how: 'have', placed });
    else if (derivation && inputsOf(derivation).every((piece) => isHere.has(piece.sha256)))
      steps.set(sha256, { how: 'derive', placed, derivation });
    else if (delta && (!delta.from || isHere.has(delta.from.sha256)) && delta.bytes < bytes)
      steps.set(sha256, { how: 'delta', placed, delta });
    else steps.set(sha256, { how: 'whole', placed });
  }
  const pieces = { have: 0, derive: 0, delta: 0, whole: 0 };
  let [fetchBytes, diskBytes, memoryBytes, seconds] = [0, 0, 0, 0];
  for (const step of steps.values()) {
    const { bytes } = step.placed.piece;
    pieces[step.how]++;
    if (step.how === 'have') continue;
    diskBytes += bytes;
    seconds += bytes / SPEEDS.store + (step.how === 'whole' ? 0 : bytes / SPEEDS[step.how]);
    if (step.how === 'derive') {
      memoryBytes = Math.max(memoryBytes, bytes + DERIVE_BYTES);
      continue;
    }
    const fetched = step.how === 'delta' ? step.delta.bytes : bytes;
    fetchBytes += fetched;
    memoryBytes = Math.max(
      memoryBytes,
      bytes + (step.how === 'delta' ? fetched + (step.delta.from?.bytes ?? bytes) : 0),
    );
  }
  const totalBytes = target.components.reduce((sum, { file }) => sum + file.bytes, 0);
  seconds += fetchBytes / bytesPerSecond;
  return { steps: [...steps.values()], fetchBytes, totalBytes, diskBytes, memoryBytes, seconds, pieces };
}
