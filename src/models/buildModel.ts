/** Builds the graph of a checkpoint: finds its architecture and translates its names and metadata to GGUF. */
import { FormatError, UnsupportedError } from '../core/errors.ts';
import type { Checkpoint, CheckpointTensor } from '../formats/checkpoint.ts';
import { Graph } from '../graph/graph.ts';
import { type Architecture, factorNames, ModelBuilder, type ModelParts, type TensorShape } from './architecture.ts';
import { architectures } from './index.ts';
import { Metadata } from './metadata.ts';

/** Source of a weight of the graph. */
export interface StoredWeight {
  readonly tensor: CheckpointTensor;
  /** True if the matrix is stored transposed, [inputs, outputs]. */
  readonly transposed: boolean;
  /** Index of the tensor in file order. */
  readonly place: number;
}

export interface BuiltModel {
  readonly architecture: Architecture;
  readonly metadata: Metadata;
  readonly graph: Graph;
  /** Context length that the model was trained with. */
  readonly trainedContext: number;
  /** Names of the low-rank factors. They are in no file and initially zero. */
  readonly factors: ReadonlySet<string>;
  /** Source of a weight by its name in the graph. @throws {FormatError} if the graph does not have it */
  stored(name: string): StoredWeight;
}

/**
 * @param context context length of sessions. Default: the trained context length
 * @param parts additions to the graph
 * @throws {UnsupportedError} if the architecture is unknown @throws {FormatError} if metadata or tensors are missing or wrong
 */
export function buildModel(checkpoint: Checkpoint, context?: number, parts?: ModelParts): BuiltModel {
  const { name, kind, tensors } = checkpoint;
  const fromHuggingFace = kind === 'huggingface';
  const architecture = architectureOf(checkpoint);
  const values = fromHuggingFace
    ? architecture.huggingFace!.metadata(Object.fromEntries(checkpoint.metadata))
    : checkpoint.metadata;
  const metadata = new Metadata(name, architecture.name, values);
  if (tensors.size === 0)
    throw new FormatError(name, 'it contains only a vocabulary and no tensors, so it cannot run', {});
  const trainedContext = metadata.count('context_length', 2048);

  const places = new Map(Array.from(tensors.keys(), (tensor, place) => [tensor, place]));
  const find = (wanted: string): StoredWeight | undefined => {
    const inFiles = fromHuggingFace ? architecture.huggingFace!.tensor(wanted) : { names: [wanted] };
    for (const candidate of inFiles.names) {
      const tensor = tensors.get(candidate);
      if (tensor) return { tensor, transposed: inFiles.transposed ?? false, place: places.get(candidate)! };
    }
    return undefined;
  };
  const shapeOf = (wanted: string): TensorShape | undefined => {
    const stored = find(wanted);
    if (!stored) return undefined;
    const { format, shape } = stored.tensor;
    if (shape.length > 2) {
      const found = `[${shape.join(', ')}]`;
      throw new FormatError(name, `tensor ${stored.tensor.name} has shape ${found}, expected a matrix or a vector`, {
        tensor: stored.tensor.name,
        found,
      });
    }
    const [rows, columns] = shape.length === 2 ? shape : [1, shape[0] ?? 1];
    return stored.transposed ? { format, rows: columns!, columns: rows! } : { format, rows: rows!, columns: columns! };
  };

  const graph = new Graph();
  const positions = context ?? trainedContext;
  architecture.build(
    new ModelBuilder({ graph, metadata, tensors: shapeOf, fromHuggingFace, context: positions, parts }),
  );
  const factors = [...(parts?.factors?.keys() ?? [])].map(factorNames);
  return {
    architecture,
    metadata,
    graph,
    trainedContext,
    factors: new Set(factors.flatMap(({ a, b }) => [a, b])),
    stored(wanted) {
      const stored = find(wanted);
      if (!stored) throw new FormatError(name, `tensor ${wanted} is missing`, { tensor: wanted });
      return stored;
    },
  };
}

/** @throws {UnsupportedError} */
export function architectureOf(checkpoint: Checkpoint): Architecture {
  return checkpoint.kind === 'huggingface' ? byModelType(checkpoint) : byName(checkpoint);
}

function byName({ name, metadata }: Checkpoint): Architecture {
  const wanted = metadata.get('general.architecture');
  const found = architectures.find((architecture) => architecture.name === wanted);
  if (!found) {
    const names = architectures.map((architecture) => architecture.name);
    throw new UnsupportedError(`${name}: architecture`, String(wanted), names);
  }
  return found;
}

function byModelType({ name, metadata }: Checkpoint): Architecture {
  const wanted = metadata.get('model_type');
  const found = architectures.find(({ huggingFace }) => huggingFace?.modelTypes.some((type) => type === wanted));
  if (wanted === undefined) {
    const what = metadata.size === 0 || name.endsWith('.safetensors') ? 'has tensors only' : 'has no model_type';
    const problem = `${what}: a model needs its config.json too; open the folder that contains both`;
    throw new FormatError(name, problem, { expected: 'model_type' });
  }
  if (!found) {
    const types = architectures.flatMap(({ huggingFace }) => huggingFace?.modelTypes ?? []);
    throw new UnsupportedError(`${name}: model_type`, String(wanted), types);
  }
  return found;
}
