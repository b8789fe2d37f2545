/** Writes a generated model to a GGUF file. */
import { OptionError } from '../../src/core/errors.ts';
import type { ByteSink } from '../../src/formats/byteSink.ts';
import { memorySink } from '../../src/formats/byteSink.ts';
import { writeGguf } from '../../src/formats/gguf/write.ts';
import type { TensorToWrite } from '../../src/formats/tensorToWrite.ts';
import { type BlockFormat, bytesOf } from '../../src/tensor/blockFormat.ts';
import { formatByName } from '../../src/tensor/formats.ts';
import { type Architecture, architectures, type Dimensions, metadataOf } from './architectures.ts';
import { drawnBlocks } from './drawnBlocks.ts';
import { formatOf, type Mix } from './mixes.ts';
import { randomBlocks } from './randomBlocks.ts';
import { type TensorPlan, valuesOf } from './weights.ts';

export interface ModelOptions {
  /** A name of `architectures`. */
  readonly architecture: string;
  /** Block format of all matrices, e.g. 'Q4_K'. */
  readonly format: string;
  /** Block format of the token embedding and the output layer. */
  readonly headFormat?: string;
  /** Sizes, if they differ from the tiny model. */
  readonly dimensions?: Partial<Dimensions>;
  readonly seed?: number;
  /** Layers contain only -a, 0 and a, as in models trained for ternary formats. */
  readonly ternary?: boolean;
  /**
   * Mixes formats as llama.cpp's quantize does, and uses random encoded blocks instead of encoding random weights: fast,
   * in little memory, for models that only need the size and speed of real ones.
   */
  readonly large?: boolean;
  /** Mixes nothing: every matrix in `format`, as llama.cpp's quantize --pure does. */
  readonly pure?: boolean;
}

/** @throws {OptionError} that lists the architectures */
export function architectureByName(name: string): Architecture {
  const found = architectures.find((architecture) => architecture.name === name);
  if (found) return found;
  throw new OptionError('architecture', name, `one of ${architectures.map(({ name }) => name).join(', ')}`);
}

/** The architecture and full dimensions that options name. */
export function plannedModel(options: ModelOptions) {
  const architecture = architectureByName(options.architecture);
  const dimensions = { ...architecture.dimensions, ...options.dimensions };
  const planned = architecture.tensors(dimensions);
  const isLayerMatrix = ({ name, shape }: TensorPlan) => shape.length === 2 && name.startsWith('blk.');
  const tensors = planned.map((plan) => (options.ternary && isLayerMatrix(plan) ? { ...plan, ternary: true } : plan));
  return { architecture, dimensions, tensors, seed: options.seed ?? 1 };
}

/** Writes a generated model to a sink. At most one tensor is in memory. */
export async function writeModel(sink: ByteSink, options: ModelOptions): Promise<void> {
  const { architecture, dimensions, tensors, seed } = plannedModel(options);
  const mix: Mix = {
    format: formatByName(options.format),
    headFormat: options.headFormat === undefined ? undefined : formatByName(options.headFormat),
    likeLlamaCpp: options.large && !options.pure,
  };
  const tied = !tensors.some(({ name }) => name === 'output.weight');
  const bytes = options.large ? drawnBlocks(seed) : encoded(seed);
  const toWrite = tensors.map((plan): TensorToWrite => {
    const format = formatOf(plan, mix, dimensions.layers, tied);
    return { name: plan.name, shape: plan.shape, format, data: () => bytes(plan, format) };
  });
  await writeGguf(sink, { metadata: metadataOf(architecture, dimensions), tensors: toWrite });
}

/** Returns the GGUF file of a generated model. */
export async function makeModel(options: ModelOptions): Promise<Uint8Array> {
  const sink = memorySink();
  await writeModel(sink, options);
  return sink.bytes();
}

function encoded(seed: number) {
  return (plan: TensorPlan, format: BlockFormat): Uint8Array => {
    if (format.decodeOnly) return randomBlocks(plan, format, seed);
    const values = valuesOf(plan, seed);
    const bytes = new Uint8Array(bytesOf(format, values.length));
    format.encode(values, 0, bytes, 0, values.length / format.blockSize);
    return bytes;
  };
}
