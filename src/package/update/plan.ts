/**
 * What an update costs, before anything of it is fetched: a pure function of what is here and what is offered. Every piece is had in the cheapest way:
 * it is here already, or a delta makes it of a piece that is here, or it is fetched whole.
 */
import { type Manifest, type Piece, type PlacedPiece, piecesOf } from '../manifest.ts';

/** A delta that is offered for a piece. */
export interface OfferedDelta {
  /** Of the piece that it is applied to. */
  readonly from: Piece;
  /** Where it lies in the update file, and its length. */
  readonly offset: number;
  readonly bytes: number;
}

export type Step =
  | { readonly how: 'have'; readonly placed: PlacedPiece }
  | { readonly how: 'delta'; readonly placed: PlacedPiece; readonly delta: OfferedDelta }
  | { readonly how: 'whole'; readonly placed: PlacedPiece };

export interface Plan {
  /** One step per different piece, in the order of the files. */
  readonly steps: readonly Step[];
  /** Bytes that will be fetched, without the manifest and index that were needed to plan. */
  readonly fetchBytes: number;
  /** Bytes that the new version's files have. */
  readonly totalBytes: number;
  /** Bytes of new pieces, which lie beside the old ones until those are collected. */
  readonly diskBytes: number;
  /** Most memory that a step takes: old piece, delta and new piece. */
  readonly memoryBytes: number;
  readonly pieces: Readonly<Record<Step['how'], number>>;
}

/**
 * @param isHere hashes of the pieces that are here and whole
 * @param deltas offered, by the hash of the piece that they make
 */
export function plan(target: Manifest, isHere: ReadonlySet<string>, deltas: ReadonlyMap<string, OfferedDelta>): Plan {
  const steps = new Map<string, Step>();
  for (const placed of piecesOf(target)) {
    const { sha256, bytes } = placed.piece;
    if (steps.has(sha256)) continue;
    const delta = deltas.get(sha256);
    if (isHere.has(sha256)) steps.set(sha256, { how: 'have', placed });
    else if (delta && isHere.has(delta.from.sha256) && delta.bytes < bytes)
      steps.set(sha256, { how: 'delta', placed, delta });
    else steps.set(sha256, { how: 'whole', placed });
  }
  const pieces = { have: 0, delta: 0, whole: 0 };
  let [fetchBytes, diskBytes, memoryBytes] = [0, 0, 0];
  for (const step of steps.values()) {
    const { bytes } = step.placed.piece;
    pieces[step.how]++;
    if (step.how === 'have') continue;
    diskBytes += bytes;
    const fetched = step.how === 'delta' ? step.delta.bytes : bytes;
    fetchBytes += fetched;
    memoryBytes = Math.max(memoryBytes, bytes + (step.how === 'delta' ? fetched + step.delta.from.bytes : 0));
  }
  const totalBytes = target.components.reduce((sum, { file }) => sum + file.bytes, 0);
  return { steps: [...steps.values()], fetchBytes, totalBytes, diskBytes, memoryBytes, pieces };
}
