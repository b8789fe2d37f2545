/** Memory of a program's weights. */
import type { Value, WeightAttributes } from '../../graph/graph.ts';
import type { CompileOptions } from '../../graph/program.ts';
import { bytesOf } from '../../tensor/blockFormat.ts';
import type { Arena } from './arena.ts';
import type { Emitter, Region } from './emitter.ts';
import type { KeptTensor, PlacedWeights } from './lowering.ts';
import type { KernelExports, KernelModule } from './module.ts';
import type { Team } from './team.ts';
import type { NamedTensor } from './tensors.ts';
import { loadWeights, type PackedFormat, type Placement, packedBytes, packedFormat } from './weights.ts';

/** Assigns memory to weights as the graph is walked. They are loaded later, in file order. */
export class Weights implements PlacedWeights {
  readonly #kernels: KernelModule;
  readonly #exports: KernelExports;
  readonly #emitter: Emitter;
  readonly #matrices = new Map<Value, { region: Region; format: PackedFormat }>();
  readonly #vectors = new Map<Value, { region: Region; change?: (values: Float32Array) => Float32Array }>();
  readonly #constants = new Map<Float32Array, Region>();

  constructor(kernels: KernelModule, exports: KernelExports, emitter: Emitter) {
    this.#kernels = kernels;
    this.#exports = exports;
    this.#emitter = emitter;
  }

  get regions(): Region[] {
    const entries = [...this.#matrices.values(), ...this.#vectors.values()];
    return [...entries.map(({ region }) => region), ...this.#constants.values()];
  }

  matrix(weight: Value<WeightAttributes>) {
    let placed = this.#matrices.get(weight);
    if (!placed) {
      const format = packedFormat(weight.attributes.format, this.#kernels, this.#exports);
      const region = this.#emitter.fixed(packedBytes(weight, format), weight.attributes.tensor);
      this.#matrices.set(weight, (placed = { region, format }));
    }
    return placed;
  }

  vector(weight: Value<WeightAttributes>, change?: (values: Float32Array) => Float32Array): Region {
    let placed = this.#vectors.get(weight);
    if (!placed) {
      const region = this.#emitter.fixed(Number(weight.shape[0]) * weight.shape[1] * 4, weight.attributes.tensor);
      this.#vectors.set(weight, (placed = { region, change }));
    }
    return placed.region;
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
    for (const [values, region] of this.#constants) arena.writeFloats(region.address, values);
  }
}
