/** What a model's files hold, without loading it. All of it JSON-safe. */
import { FormatError, UnsupportedError } from '../core/errors.ts';
import type { Checkpoint, CheckpointTensor } from '../formats/checkpoint.ts';
import { type CheckpointSource, openCheckpoint } from '../formats/open.ts';
import { dumpGraph } from '../graph/dump.ts';
import type { MemoryEstimate } from './estimate.ts';
import { checkLoadOptions, type LoadOptions, openOptions } from './loadOptions.ts';
import { planModel } from './plan.ts';
import { type ModelSummary, summarize } from './summary.ts';

export interface Inspection {
  readonly source: string;
  readonly kind: Checkpoint['kind'];
  readonly byteLength: number;
  /** Absent where the files hold a vocabulary only, or a model that cannot be run. */
  readonly model?: ModelSummary;
  /** Why it cannot be run. */
  readonly problem?: string;
  /** Of a session of `context` tokens. */
  readonly memory?: MemoryEstimate & { readonly context: number };
  /** Long arrays are told by their length: "[string × 32000]". */
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly tensors: readonly TensorInspection[];
  /** One line a node, with its cost where one token is computed, and the cost of all of them. */
  readonly graph?: { readonly nodes: string; readonly flopsPerToken: number; readonly bytesPerToken: number };
}

export interface TensorInspection {
  readonly name: string;
  readonly format: string;
  /** Slowest dimension first. */
  readonly shape: readonly number[];
  readonly byteLength: number;
}

/** Arrays up to this length are shown whole. */
const SHOWN_ELEMENTS = 16;

/** @throws what opening the files throws; {OptionError} */
export async function inspect(source: CheckpointSource, options: LoadOptions = {}): Promise<Inspection> {
  checkLoadOptions(options);
  const checkpoint = await openCheckpoint(source, { ...openOptions(options), headerOnly: true });
  try {
    const { name, kind, byteLength, metadata, tensors } = checkpoint;
    return {
      source: name,
      kind,
      byteLength,
      ...(tensors.size > 0 && (await aboutModel(checkpoint, options))),
      metadata: Object.fromEntries([...metadata].map(([key, value]) => [key, shown(value)])),
      tensors: Array.from(tensors.values(), aboutTensor),
    };
  } finally {
    await checkpoint.close();
  }
}

type AboutModel = Pick<Inspection, 'model' | 'memory' | 'graph' | 'problem'>;

async function aboutModel(checkpoint: Checkpoint, options: LoadOptions): Promise<AboutModel> {
  try {
    const { model, estimate, context } = await planModel(checkpoint, options);
    const registers = { T: 1, P: 0, R: 1, S: 1 };
    const { flops, bytes } = model.graph.cost(registers);
    return {
      model: summarize(checkpoint, model),
      memory: { ...estimate, context },
      graph: { nodes: dumpGraph(model.graph, registers), flopsPerToken: flops, bytesPerToken: bytes },
    };
  } catch (error) {
    // what the files hold can be told all the same
    if (error instanceof UnsupportedError || error instanceof FormatError) return { problem: error.message };
    throw error;
  }
}

function aboutTensor({ name, format, shape, byteLength }: CheckpointTensor): TensorInspection {
  return { name, format: format.name, shape, byteLength };
}

function shown(value: unknown): unknown {
  if (typeof value === 'bigint') return value.toString();
  if (ArrayBuffer.isView(value)) return shown(Array.from(value as Uint8Array));
  if (!Array.isArray(value)) return value;
  if (value.length > SHOWN_ELEMENTS) return `[${typeof value[0]} × ${value.length}]`;
  return value.map(shown);
}
