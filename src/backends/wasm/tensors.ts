/** Reads and writes weights and states by name, in row order, independent of their memory layout. */
import { OptionError } from '../../core/errors.ts';
import type { Arena } from './arena.ts';
import type { Region } from './emitter.ts';
import { GROUP } from './weights.ts';

export interface NamedTensor {
  readonly name: string;
  /** Undefined if no command uses it. */
  readonly region: Region | undefined;
  /** True if stored in groups of 8 rows, [columns][8 rows], instead of row order. */
  readonly packed: boolean;
  readonly rows: number;
  readonly columns: number;
  /** Reason why it cannot be read or written. */
  readonly problem?: string;
}

export class Tensors {
  readonly #arena: Arena;
  readonly #byName: ReadonlyMap<string, NamedTensor>;

  constructor(arena: Arena, tensors: readonly NamedTensor[]) {
    this.#arena = arena;
    this.#byName = new Map(tensors.map((tensor) => [tensor.name, tensor]));
  }

  /** @throws {OptionError} if the tensor does not exist or is not F32 */
  read(name: string): Float32Array {
    const tensor = this.#find(name);
    const { rows, columns } = tensor;
    const memory = this.#view(tensor);
    if (!tensor.packed) return memory.slice(0, rows * columns);
    const values = new Float32Array(rows * columns);
    for (let row = 0; row < rows; row++) {
      const from = Math.floor(row / GROUP) * columns * GROUP + (row % GROUP);
      for (let i = 0; i < columns; i++) values[row * columns + i] = memory[from + i * GROUP];
    }
    return values;
  }

  /** @throws {OptionError} as `read`, and if the number of values is wrong */
  write(name: string, values: Float32Array): void {
    const tensor = this.#find(name);
    const { rows, columns } = tensor;
    if (values.length !== rows * columns)
      throw new OptionError(`values of ${name}`, `${values.length} numbers`, `${rows * columns} of them`);
    const memory = this.#view(tensor);
    if (!tensor.packed) {
      memory.set(values);
      return;
    }
    for (let row = 0; row < rows; row++) {
      const to = Math.floor(row / GROUP) * columns * GROUP + (row % GROUP);
      for (let i = 0; i < columns; i++) memory[to + i * GROUP] = values[row * columns + i];
    }
  }

  #find(name: string): NamedTensor {
    const tensor = this.#byName.get(name);
    if (!tensor?.region) throw new OptionError('tensor', name, 'the name of a weight or state of the graph');
    if (tensor.problem) throw new OptionError('tensor', `${name} ${tensor.problem}`, 'an F32 weight or a state');
    return tensor;
  }

  #view({ region, rows, columns, packed }: NamedTensor): Float32Array {
    const all = packed ? Math.ceil(rows / GROUP) * GROUP : rows;
    return new Float32Array(this.#arena.memory.buffer, region!.address, all * columns);
  }
}
