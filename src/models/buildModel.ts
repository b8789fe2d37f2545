/** Builds a checkpoint's graph: finds its architecture, maps its files to GGUF names, builds, and checks for unread parts. */
import { FormatError, UnsupportedError } from '../core/errors.ts';
import type { Checkpoint, CheckpointTensor } from '../formats/checkpoint.ts';
import { Graph } from '../graph/graph.ts';
import { formatByName } from '../tensor/formats.ts';
import type { Architecture } from './architecture.ts';
import type { ElementChange } from './folders/family.ts';
import { type Folder, folderOf } from './folders/folder.ts';
import { refuseUnreadFields } from './folders/meaningfulFields.ts';
import { halvesOfGroups } from './folders/rowOrders.ts';
import { architectures } from './index.ts';
import { refuseUnreadKeys } from './meaningfulKeys.ts';
import { Metadata, shown } from './metadata.ts';
import { unsupportedModel } from './missing.ts';
import { factorNames, ModelBuilder, type ModelParts, type TensorShape } from './modelBuilder.ts';
import { USUAL_CONTEXT } from './parts/positionTable.ts';

/** Location of a weight in the file, and the conversion of its rows. */
export interface StoredWeight {
  /** One tensor, or several that are concatenated by rows. */
  readonly tensors: readonly CheckpointTensor[];
  /** True for a matrix that is stored [inputs, outputs]. */
  readonly transposed: boolean;
  /** Rows of the stored matrix in the order of the weight's; undefined: the same. */
  readonly order?: Int32Array;
  /** Applied to all elements, which are then read as F32. */
  readonly change?: ElementChange;
  /** Index of its first tensor in the file, for reading in file order. */
  readonly place: number;
}

export interface BuiltModel {
  readonly architecture: Architecture;
  readonly metadata: Metadata;
  readonly graph: Graph;
  /** Context length that the model was trained with. */
  readonly trainedContext: number;
  /** Names of the low-rank factors. They are not in the file, and initially zero. */
  readonly factors: ReadonlySet<string>;
  /** Constant weights that are not in the file, including the factors, and the value of their elements. */
  readonly filled: ReadonlyMap<string, number>;
  /** Source of a weight by its name in the graph. @throws {FormatError} if the graph does not have it */
  stored(name: string): StoredWeight;
}

const F32 = formatByName('F32');

/** Returns the trained context length from a model's metadata. @throws {UnsupportedError} for an unknown architecture */
export function trainedContextOf(checkpoint: Checkpoint): number {
  const folder = checkpoint.kind === 'huggingface' ? folderOf(checkpoint) : undefined;
  return trainedContext(metadataOf(checkpoint, folder));
}

function metadataOf(checkpoint: Checkpoint, folder: ReturnType<typeof folderOf> | undefined): Metadata {
  const architecture = folder?.architecture ?? byName(checkpoint);
  return new Metadata(checkpoint.name, architecture.name, folder?.metadata ?? checkpoint.metadata);
}

const trainedContext = (metadata: Metadata): number => metadata.count('context_length', USUAL_CONTEXT);

/**
 * @param context maximum number of positions of a session; undefined: the trained context length
 * @param parts additions to the graphs
 * @throws {UnsupportedError} for a valid model with something that Espalier does not have: its architecture, a key or field
 *   that changes the computation, a tensor that nothing reads; {FormatError} for missing or wrong metadata or tensors
 */
export function buildModel(checkpoint: Checkpoint, context?: number, parts?: ModelParts): BuiltModel {
  const { name, tensors } = checkpoint;
  const folder = checkpoint.kind === 'huggingface' ? folderOf(checkpoint) : undefined;
  const architecture = folder?.architecture ?? byName(checkpoint);
  const metadata = metadataOf(checkpoint, folder);
  if (tensors.size === 0)
    throw new FormatError(name, 'it contains only a vocabulary and no tensors, so it cannot run', {});
  if (folder) refuseUnreadFields(folder.config);
  const trained = trainedContext(metadata);

  const places = new Map(Array.from(tensors.keys(), (tensor, place) => [tensor, place]));
  const found = new Map<string, StoredWeight | undefined>();
  const find = (wanted: string): StoredWeight | undefined => {
    if (!found.has(wanted)) found.set(wanted, folder ? folder.find(wanted, places) : inGguf(wanted, tensors, places));
    return found.get(wanted);
  };
  const graph = new Graph();
  const builder = new ModelBuilder({
    graph,
    metadata,
    tensors: (wanted) => shapeOf(name, find(wanted)),
    nameInFile: (wanted) => folder?.nameOf(wanted) ?? wanted,
    fromFolder: folder !== undefined,
    context: context ?? trained,
    parts,
  });
  build(builder, architecture);
  if (!folder) refuseUnreadKeys(metadata, architecture.passesOver);
  const read = builder.weightNames().flatMap((wanted) => find(wanted)?.tensors ?? []);
  refuseUnreadTensors(checkpoint, architecture, folder, new Set(read), metadata);
  const factors = [...(parts?.factors?.keys() ?? [])].map(factorNames);
  return {
    architecture,
    metadata,
    graph,
    trainedContext: trained,
    factors: new Set(factors.flatMap(({ a, b }) => [a, b])),
    filled: builder.filled,
    stored(wanted) {
      const stored = find(wanted);
      if (!stored) throw new FormatError(name, `tensor ${wanted} is missing`, { tensor: wanted });
      return stored;
    },
  };
}

/** Builds the graph. Without experts, the tensors of dense layers are missing: the cause is told. */
function build(builder: ModelBuilder, architecture: Architecture): void {
  const { metadata } = builder;
  try {
    architecture.build(builder);
  } catch (error) {
    const experts = metadata.unread().find(([key]) => key === 'expert_count')?.[1];
    if (!(error instanceof FormatError) || !experts || architecture.passesOver?.includes('expert_count')) throw error;
    throw new UnsupportedError(
      `${metadata.file}: a mixture of ${shown(experts)} experts in architecture`,
      architecture.name,
    );
  }
}

function inGguf(
  name: string,
  tensors: ReadonlyMap<string, CheckpointTensor>,
  places: ReadonlyMap<string, number>,
): StoredWeight | undefined {
  const tensor = tensors.get(name);
  if (tensor) return { tensors: [tensor], transposed: false, place: places.get(name)! };
  // gates and ups of experts may be one tensor
  const part = /^(blk\.\d+\.ffn_)(gate|up)(_exps\.weight)$/.exec(name);
  const fusedName = part ? `${part[1]}gate_up${part[3]}` : '';
  const fused = tensors.get(fusedName);
  if (!part || fused?.shape.length !== 3) return undefined;
  const [experts, rows] = fused.shape as [number, number];
  const order = halvesOfGroups(experts, rows, part[2] === 'up');
  return { tensors: [fused], transposed: false, order, place: places.get(fusedName)! };
}

function shapeOf(file: string, stored: StoredWeight | undefined): TensorShape | undefined {
  if (!stored) return undefined;
  const [first] = stored.tensors as readonly [CheckpointTensor];
  const [rows, columns] = matrixShape(file, first, stored.tensors.length);
  const [outputs, inputs] = stored.transposed ? [columns, rows] : [rows, columns];
  // a vector has one row, whose elements are then what is ordered
  const ordered = stored.order?.length ?? outputs;
  const format = stored.change ? F32 : first.format;
  if (stored.order && outputs === 1) return { format, rows: 1, columns: ordered, name: first.name };
  return { format, rows: ordered, columns: inputs, name: first.name };
}

/** Rows and columns of a tensor, ignoring outer dimensions of 1. A vector is one row; experts' matrices are stacked by rows. */
function matrixShape(
  file: string,
  { name, shape }: CheckpointTensor,
  stacked: number,
): [rows: number, columns: number] {
  const inner = [...shape];
  while (inner.length > 1 && inner[0] === 1) inner.shift();
  while (inner.length > 2 && inner.at(-1) === 1) inner.pop();
  if (inner.length === 3 && inner[1] === 1) inner.splice(1, 1);
  if (inner.length === 3 && /(_exps|experts|(in|out)put_linear)\b/.test(name))
    return [inner[0] * inner[1] * stacked, inner[2]];
  if (inner.length > 2) {
    const found = `[${shape.join(', ')}]`;
    throw new FormatError(file, `tensor ${name} has shape ${found}, expected a matrix or a vector`, {
      tensor: name,
      found,
    });
  }
  const [rows, columns] = inner.length === 2 ? inner : [1, inner[0] ?? 1];
  return [rows * stacked, columns];
}

/** Buffers that PyTorch stored with old models. Ignored, because they are computed here. */
const buffers =
  /(^|\.)(rotary_emb\.inv_freq|attn\.(masked_)?bias|attention\.(masked_)?bias|attn\.attention\.(masked_)?bias|position_ids)$/;

/** Scales of inputs, which only calibration uses, and scales beside matrices that are not in a format that needs one. */
function isScaleOfNothing(tensor: string, tensors: ReadonlyMap<string, CheckpointTensor>): boolean {
  if (tensor.endsWith('.input_scale')) return true;
  const matrix = tensor.endsWith('.scale') ? tensors.get(tensor.replace(/scale$/, 'weight')) : undefined;
  return matrix !== undefined && matrix.format.name !== 'NVFP4';
}

/**
 * @throws {FormatError} for tensors of blocks that the metadata does not count; {UnsupportedError} for any other tensor that
 *   the architecture has not read
 */
function refuseUnreadTensors(
  { name, kind, tensors }: Checkpoint,
  { passesOverTensors }: Architecture,
  folder: Folder | undefined,
  read: ReadonlySet<CheckpointTensor>,
  metadata: Metadata,
): void {
  const blocks = metadata.count('block_count');
  const layers = blocks - metadata.count('nextn_predict_layers', 0, 0);
  for (const [tensor, stored] of tensors) {
    if (read.has(stored)) continue;
    if (folder ? buffers.test(tensor) || folder.isOtherPart(tensor) : isScaleOfNothing(tensor, tensors)) continue;
    if (passesOverTensors?.test(tensor)) continue;
    const block = Number(/^(?:blk|(?:\w+\.)*(?:layers|h|blocks))\.(\d+)\./.exec(tensor)?.[1] ?? -1);
    // blocks that predict several tokens at a time (MTP) are not needed
    if (!folder && block >= layers && block < blocks) continue;
    if (block >= blocks) {
      const key = kind === 'gguf' ? 'block_count' : 'config.json';
      const problem = `tensor ${tensor} is of block ${block}, and ${key} says that there are ${blocks}`;
      throw new FormatError(name, problem, { tensor, expected: blocks, found: block });
    }
    throw new UnsupportedError(`${name}: a model with the tensor`, tensor, [], { tensor });
  }
}

/** @throws {UnsupportedError} */
export function architectureOf(checkpoint: Checkpoint): Architecture {
  return checkpoint.kind === 'huggingface' ? folderOf(checkpoint).architecture : byName(checkpoint);
}

/** Files that are no models, by general.type. */
const otherFiles: Readonly<Record<string, string>> = {
  adapter: 'which is loaded beside its model (option `adapter`)',
  imatrix: 'which holds statistics for quantization',
  mmproj: 'which encodes images or sound for a model',
};

function byName({ name, metadata }: Checkpoint): Architecture {
  const type = metadata.get('general.type');
  if (typeof type === 'string' && Object.hasOwn(otherFiles, type))
    throw new UnsupportedError(`${name}: general.type`, `${type}, ${otherFiles[type]},`, ['model'], { type });
  const wanted = metadata.get('general.architecture');
  const inGguf = architectures.filter(({ foldersOnly }) => !foldersOnly);
  const found = inGguf.find((architecture) => architecture.name === wanted);
  if (found) return found;
  const names = inGguf.map((architecture) => architecture.name);
  throw unsupportedModel('architecture', name, wanted, names);
}
