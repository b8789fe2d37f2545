/** Loads weights into the memory: matrices packed for their kernels, vectors as f32. Reads each weight once. */
import { UnsupportedError } from '../../core/errors.ts';
import type { Value, WeightAttributes } from '../../graph/graph.ts';
import type { WeightStore } from '../../graph/program.ts';
import { type BlockFormat, bytesOf } from '../../tensor/blockFormat.ts';
import type { Arena } from './arena.ts';
import { formatParts } from './built/catalog.ts';
import { COMMAND_BYTES } from './control.ts';
import type { Region } from './emitter.ts';
import type { VectorChange } from './lowering.ts';
import type { KernelExports, KernelModules } from './module.ts';
import type { Team } from './team.ts';

/** Bytes per read, a multiple of typical disk and network block sizes. */
const STAGING_BYTES = 8 << 20;
/** Rows per packed group. */
export const GROUP = 8;

/** Kinds of activations of a format's products, numbered as in kernels/parts/format.ts. */
export const activationForms = ['floats', 'int8', 'int8Parts', 'int16'] as const;
export type ActivationForm = (typeof activationForms)[number];

/** Kernel properties of a format. */
export interface PackedFormat {
  readonly name: string;
  readonly activations: ActivationForm;
  groupBytes(columns: number): number;
  scratchBytes(columns: number): number;
}

/** @throws {UnsupportedError} if the format has no kernels */
export function packedFormat(format: BlockFormat, kernels: KernelModules, exports: KernelExports): PackedFormat {
  const { name } = format;
  if (!kernels.indices.has(`matmul_${name}`))
    throw new UnsupportedError('a matrix in format', name, Object.keys(formatParts));
  const call = (what: string, ...values: number[]) => Number(exports[`${what}_${name}`](...values));
  return {
    name,
    activations: activationForms[call('activations')],
    groupBytes: (columns) => call('groupBytes', columns),
    scratchBytes: (columns) => call('scratchBytes', columns),
  };
}

/** Size of a packed matrix in bytes. */
export function packedBytes(weight: Value<WeightAttributes>, format: PackedFormat): number {
  return Math.ceil(Number(weight.shape[0]) / GROUP) * format.groupBytes(weight.shape[1]);
}

/** A weight and its destination. */
export interface Placement {
  readonly weight: Value<WeightAttributes>;
  readonly region: Region;
  /** Packing of a matrix. Undefined for a vector, which becomes f32. */
  readonly format?: PackedFormat;
  readonly change?: VectorChange;
}

/** Rows per read: whole groups of a matrix, or a whole vector. */
interface Piece extends Placement {
  readonly row: number;
  readonly rows: number;
}

function* piecesOf(placements: readonly Placement[]): Generator<Piece> {
  for (const placement of placements) {
    const [rows, columns] = placement.weight.shape as readonly [number, number];
    const groupBytes = bytesOf(placement.weight.attributes.format, columns) * GROUP;
    const step = placement.format ? Math.max(1, Math.floor(STAGING_BYTES / groupBytes)) * GROUP : rows;
    for (let row = 0; row < rows; row += step) yield { ...placement, row, rows: Math.min(step, rows - row) };
  }
}

/** Reads weights piece by piece in file order. All threads pack a piece while the next one is read. */
export async function loadWeights(
  placements: readonly Placement[],
  store: WeightStore,
  { arena, team, kernels }: { arena: Arena; team: Team; kernels: KernelModules },
  onBytes: (bytes: number, tensor: string) => void,
  signal?: AbortSignal,
): Promise<void> {
  // in graph order if the store has no order
  const place = ({ weight }: Placement) => store.place?.(weight) ?? weight.id;
  const pieces = [...piecesOf(placements.toSorted((a, b) => place(a) - place(b)))];
  const rowBytes = ({ weight }: Piece) => bytesOf(weight.attributes.format, weight.shape[1]);
  const groups = ({ rows }: Piece) => Math.ceil(rows / GROUP);
  const most = pieces.reduce((bytes, piece) => Math.max(bytes, groups(piece) * GROUP * rowBytes(piece)), 0);
  const staging = [0, 1].map(() => arena.allocate(most, 'reading weights'));
  const command = arena.allocate(COMMAND_BYTES, 'packing weights');
  const staged = (index: number): Uint8Array<ArrayBufferLike> => {
    const piece = pieces[index];
    return new Uint8Array(arena.memory.buffer, staging[index % 2], piece.rows * rowBytes(piece));
  };
  const read = (index: number): Promise<void> | undefined => {
    const piece = pieces[index];
    if (!piece) return undefined;
    const into = staged(index);
    // the last group is padded with zero rows
    const filling = groups(piece) * GROUP * rowBytes(piece) - into.length;
    new Uint8Array(arena.memory.buffer, staging[index % 2] + into.length, filling).fill(0);
    const reading = store.readRows(piece.weight, piece.row, into, signal);
    // awaited later, maybe after another error
    reading.catch(() => undefined);
    return reading;
  };
  let reading = read(0);
  for (const [index, piece] of pieces.entries()) {
    signal?.throwIfAborted();
    await reading;
    reading = read(index + 1);
    const { weight, format, region, row } = piece;
    if (format) {
      const columns = weight.shape[1];
      const to = region.address + (row / GROUP) * format.groupBytes(columns);
      const words = new Uint32Array(arena.memory.buffer, command, COMMAND_BYTES / 4).fill(0);
      words.set([kernels.indices.get(`pack_${format.name}`)!, 1, staging[index % 2], to, groups(piece), columns]);
      team.run(command);
    } else writeVector(arena, piece, staged(index));
    onBytes(piece.rows * rowBytes(piece), weight.attributes.tensor);
  }
  for (const address of [...staging, command]) arena.release(address);
}

function writeVector(arena: Arena, { weight, region, change }: Placement, bytes: Uint8Array): void {
  const { format } = weight.attributes;
  const elements = Number(weight.shape[0]) * weight.shape[1];
  const values = new Float32Array(elements);
  format.decode(bytes, 0, values, 0, elements / format.blockSize);
  arena.writeFloats(region.address, change ? change.apply(values) : values);
}
