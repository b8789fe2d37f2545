/** Brings weights into the memory: matrices packed for their kernels, vectors as f32. Each is read once, in pieces. */
import { UnsupportedError } from '../../core/errors.ts';
import type { Value, WeightAttributes } from '../../graph/graph.ts';
import type { WeightStore } from '../../graph/program.ts';
import { type BlockFormat, bytesOf } from '../../tensor/blockFormat.ts';
import type { Arena } from './arena.ts';
import type { Region } from './emitter.ts';
import type { KernelExports, KernelModule } from './module.ts';

/** Read at a time; a multiple of what disks and connections like. */
const STAGING_BYTES = 4 << 20;
/** Rows that are packed together. */
export const GROUP = 8;

/** The form that a format's products take activations in, as kernels/parts/format.ts numbers them. */
export const activationForms = ['floats', 'int8', 'int8Parts', 'int16'] as const;
export type ActivationForm = (typeof activationForms)[number];

/** What the kernels of a format say about it. */
export interface PackedFormat {
  readonly name: string;
  readonly activations: ActivationForm;
  groupBytes(columns: number): number;
  scratchBytes(columns: number): number;
}

/** @throws {UnsupportedError} for a format without kernels */
export function packedFormat(format: BlockFormat, kernels: KernelModule, exports: KernelExports): PackedFormat {
  const { name } = format;
  if (!kernels.indices.has(`matmul_${name}`)) {
    const known = [...kernels.indices.keys()].filter((kernel) => kernel.startsWith('matmul_'));
    throw new UnsupportedError(
      'a matrix in format',
      name,
      known.map((kernel) => kernel.slice('matmul_'.length)),
    );
  }
  const call = (what: string, ...values: number[]) => Number(exports[`${what}_${name}`]!(...values));
  return {
    name,
    activations: activationForms[call('activations')]!,
    groupBytes: (columns) => call('groupBytes', columns),
    scratchBytes: (columns) => call('scratchBytes', columns),
  };
}

/** Bytes of a packed matrix. */
export function packedBytes(weight: Value<WeightAttributes>, format: PackedFormat): number {
  return Math.ceil(Number(weight.shape[0]) / GROUP) * format.groupBytes(weight.shape[1]);
}

export interface WeightLoader {
  /** Packs a matrix to its region. */
  matrix(weight: Value<WeightAttributes>, format: PackedFormat, to: Region): Promise<void>;
  /** A vector's elements. */
  vector(weight: Value<WeightAttributes>): Promise<Float32Array>;
  /** Gives the staging memory back. */
  finish(): void;
}

export function weightLoader(
  store: WeightStore,
  arena: Arena,
  exports: KernelExports,
  onBytes: (bytes: number, tensor: string) => void,
  signal?: AbortSignal,
): WeightLoader {
  let staging = { address: 0, bytes: 0 };
  const stage = (bytes: number): number => {
    if (bytes > staging.bytes) {
      if (staging.bytes > 0) arena.release(staging.address);
      staging = { address: arena.allocate(bytes, 'reading weights'), bytes };
    }
    return staging.address;
  };
  return {
    async matrix(weight, format, to) {
      const [rows, columns] = weight.shape as readonly [number, number];
      const rowBytes = bytesOf(weight.attributes.format, columns);
      const groupsAtOnce = Math.max(1, Math.floor(STAGING_BYTES / (rowBytes * GROUP)));
      const address = stage(Math.min(groupsAtOnce, Math.ceil(rows / GROUP)) * GROUP * rowBytes);
      const pack = exports[`pack_${format.name}`]!;
      let target = to.address;
      for (let row = 0; row < rows; row += groupsAtOnce * GROUP) {
        const taken = Math.min(groupsAtOnce * GROUP, rows - row);
        const groups = Math.ceil(taken / GROUP);
        await store.readRows(weight, row, new Uint8Array(arena.memory.buffer, address, taken * rowBytes), signal);
        if (taken < groups * GROUP) {
          // rows that fill up the last group are zeros
          new Uint8Array(arena.memory.buffer, address + taken * rowBytes, (groups * GROUP - taken) * rowBytes).fill(0);
        }
        pack(address, target, groups, columns);
        target += groups * format.groupBytes(columns);
        onBytes(taken * rowBytes, weight.attributes.tensor);
      }
    },
    async vector(weight) {
      const { format } = weight.attributes;
      const elements = Number(weight.shape[0]) * weight.shape[1];
      const bytes = new Uint8Array(bytesOf(format, elements));
      await store.readRows(weight, 0, bytes, signal);
      const values = new Float32Array(elements);
      format.decode(bytes, 0, values, 0, elements / format.blockSize);
      onBytes(bytes.length, weight.attributes.tensor);
      return values;
    },
    finish() {
      if (staging.bytes > 0) arena.release(staging.address);
      staging = { address: 0, bytes: 0 };
    },
  };
}
