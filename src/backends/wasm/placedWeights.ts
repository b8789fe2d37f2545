/** Memory of a program's weights. */

import { OptionError } from '../../core/errors.ts';
import type { Value, WeightAttributes } from '../../graph/graph.ts';
import type { CompileOptions } from '../../graph/program.ts';
import { bytesOf } from '../../tensor/blockFormat.ts';
import type { Arena } from './arena.ts';
import type { Emitter, Region } from './emitter.ts';
import type { KeptTensor, PlacedWeights, VectorChange } from './lowering.ts';
import type { KernelExports, KernelModules } from './module.ts';
import type { Team } from './team.ts';
import type { NamedTensor } from './tensors.ts';
import { loadWeights, type PackedFormat, type Placement, packedBytes, packedFormat } from './weights.ts';

interface PlacedMatrix {
  readonly region: Region;
  readonly format: PackedFormat;
}

interface PlacedVector {
  readonly region: Region;
  readonly change?: VectorChange;
}

/** Assigns memory to weights as the graph is walked. They are loaded later, in file order. */
export class Weights implements PlacedWeights {
  readonly #kernels: KernelModules;
  readonly #exports: KernelExports;
  readonly #emitter: Emitter;
  /** Weights of the first program, which a derived one reads. */
  readonly #first: Weights | undefined;
  readonly #matrices = new Map<Value, PlacedMatrix>();
  readonly #vectors = new Map<Value, PlacedVector>();
  readonly #constants = new Map<Float32Array, Region>();

  constructor(kernels: KernelModules, exports: KernelExports, emitter: Emitter, first?: Weights) {
    this.#kernels = kernels;
    this.#exports = exports;
    this.#emitter = emitter;
    this.#first = first;
  }

  /** Regions to allocate. Those of the first program have their memory. */
  get regions(): Region[] {
    const entries = this.#first ? [] : [...this.#matrices.values(), ...this.#vectors.values()];
    return [...entries.map(({ region }) => region), ...this.#constants.values()];
  }

  matrix(weight: Value<WeightAttributes>): PlacedMatrix {
    let placed = this.#matrices.get(weight);
    if (!placed) {
      placed = this.#first ? sharedRows(this.#first.#matrices, weight) : this.#newMatrix(weight);
      this.#matrices.set(weight, placed);
    }
    return placed;
  }

  vector(weight: Value<WeightAttributes>, change?: VectorChange): Region {
    let placed = this.#vectors.get(weight);
    if (!placed) {
      placed = this.#first ? sharedRows(this.#first.#vectors, weight, change) : this.#newVector(weight, change);
      this.#vectors.set(weight, placed);
    }
    return placed.region;
  }

  #newMatrix(weight: Value<WeightAttributes>): PlacedMatrix {
    const format = packedFormat(weight.attributes.format, this.#kernels, this.#exports);
    return { format, region: this.#emitter.fixed(packedBytes(weight, format), weight.attributes.tensor) };
  }

  #newVector(weight: Value<WeightAttributes>, change?: VectorChange): PlacedVector {
    const bytes = Number(weight.shape[0]) * weight.shape[1] * 4;
    return { change, region: this.#emitter.fixed(bytes, weight.attributes.tensor) };
  }

  /** A weight that steps change: in the layout of its readers, or by its shape if it has none. */
  kept(weight: Value<WeightAttributes>): KeptTensor {
    if (!this.#vectors.has(weight) && !this.#matrices.has(weight)) {
      if (weight.shape[0] === 1) this.vector(weight);
      else this.matrix(weight);
    }
    return {
      region: (this.#vectors.get(weight) ?? this.#matrices.get(weight))!.region,
      packed: this.#matrices.has(weight),
    };
  }

  /** Location of a weight, unless its values differ from the file. */
  placed(weight: Value<WeightAttributes>): Pick<NamedTensor, 'region' | 'packed' | 'problem'> {
    const vector = this.#vectors.get(weight);
    const { format } = weight.attributes;
    const problem = format.name !== 'F32' ? `in ${format.name}` : vector?.change ? 'changed as it is read' : undefined;
    return { region: (vector ?? this.#matrices.get(weight))?.region, packed: !vector, problem };
  }

  constant(values: Float32Array, label: string): Region {
    let region = this.#constants.get(values);
    if (!region) this.#constants.set(values, (region = this.#emitter.fixed(values.byteLength, label)));
    return region;
  }

  async load(arena: Arena, team: Team, { weights: store, onProgress, signal }: CompileOptions): Promise<void> {
    const bytes = ({ attributes, shape }: Value<WeightAttributes>) =>
      bytesOf(attributes.format, Number(shape[0]) * shape[1]);
    const placements = [...this.#matrices, ...this.#vectors].map(([weight, placed]): Placement => {
      return { weight: weight as Value<WeightAttributes>, ...placed };
    });
    const total = placements.reduce((sum, { weight }) => sum + bytes(weight), 0);
    let done = 0;
    const report = (count: number, item: string): void => {
      done += count;
      onProgress?.({ stage: 'load', done, total, unit: 'bytes', item });
    };
    await loadWeights(placements, store, { arena, team, kernels: this.#kernels }, report, signal);
    this.writeConstants(arena);
  }

  writeConstants(arena: Arena): void {
    for (const [values, region] of this.#constants) arena.writeFloats(region.address, values);
  }
}

/**
 * Finds a weight of the first program for a derived one, which may take its first rows: packed groups of rows, and rows of
 * vectors, are stored one after another. @throws {OptionError}
 */
function sharedRows<P extends PlacedMatrix | PlacedVector>(
  placed: ReadonlyMap<Value, P>,
  weight: Value<WeightAttributes>,
  change?: VectorChange,
): P {
  const { tensor, format } = weight.attributes;
  const [rows, columns] = weight.shape as readonly [number, number];
  for (const [value, found] of placed) {
    const other = value as Value<WeightAttributes>;
    if (other.attributes.tensor !== tensor) continue;
    const [allRows, allColumns] = other.shape as readonly [number, number];
    const isSame = rows === allRows && columns === allColumns;
    const isPart =
      change === undefined && (allRows === 1 ? columns <= allColumns : columns === allColumns && rows <= allRows);
    const changed = 'change' in found ? found.change?.name : undefined;
    if (other.attributes.format.name === format.name && changed === change?.name && (isSame || isPart)) return found;
  }
  const found = `${tensor} [${rows}, ${columns}] in ${format.name}${change ? `, ${change.name}` : ''}`;
  throw new OptionError('tensor', found, 'rows of a weight that the first program reads in the same way');
}
