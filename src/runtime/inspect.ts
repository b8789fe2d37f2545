/** Describes a model's files without loading the weights. JSON-safe. */
import { FormatError, UnsupportedError } from '../core/errors.ts';
import type { Checkpoint, CheckpointTensor } from '../formats/checkpoint.ts';
import { checkDense, type EmbeddingSettings } from '../formats/embeddingSettings.ts';
import { denseShapes } from '../formats/gguf/denseLayers.ts';
import { type CheckpointSource, openCheckpoint } from '../formats/open.ts';
import { dumpGraph } from '../graph/dump.ts';
import { createTokenizer } from '../tokenizer/tokenizer.ts';
import type { MemoryEstimate } from './estimate.ts';
import { checkLoadOptions, type LoadOptions, openOptions, planOptions } from './loadOptions.ts';
import { planModel } from './plan.ts';
import { readingsOf } from './submodels.ts';
import { type ModelSummary, summarize } from './summary.ts';

export interface Inspection {
  readonly source: string;
  readonly kind: Checkpoint['kind'];
  readonly byteLength: number;
  /** Undefined if the files contain only a vocabulary, or a model whose graph cannot be built. */
  readonly model?: ModelSummary;
  /** Reasons why the model cannot run anywhere: its architecture, formats, tokenizer. Empty if it runs where it fits. */
  readonly problems: readonly string[];
  /** Settings of an embedder or reranker, if the files have some. */
  readonly embedder?: EmbedderInspection;
  /** Memory needs of a session with `context` tokens. */
  readonly memory?: MemoryEstimate & { readonly context: number };
  /** Metadata. Long arrays are shortened to "[string × 32000]". */
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly tensors: readonly TensorInspection[];
  /** The graph, one node per line with its cost for one token, and the total cost per token. */
  readonly graph?: { readonly nodes: string; readonly flopsPerToken: number; readonly bytesPerToken: number };
}

/** What `embed` and `rank` do by default. */
export interface EmbedderInspection extends Omit<EmbeddingSettings, 'dense'> {
  /** Shapes [outputs, inputs] of the dense layers after pooling. */
  readonly dense?: readonly (readonly [outputs: number, inputs: number])[];
}

export interface TensorInspection {
  readonly name: string;
  readonly format: string;
  /** Dimensions, slowest first. */
  readonly shape: readonly number[];
  readonly byteLength: number;
}

/** Longer arrays are shortened. */
const SHOWN_ELEMENTS = 16;

/** @throws {OptionError} if an option is invalid; errors of opening the files */
export async function inspect(source: CheckpointSource, options: LoadOptions = {}): Promise<Inspection> {
  checkLoadOptions(options);
  const checkpoint = await openCheckpoint(source, { ...openOptions(options), headerOnly: true });
  try {
    const { name, kind, byteLength, metadata, tensors } = checkpoint;
    const problems: string[] = [];
    const described =
      tensors.size > 0 ? await describeModel(checkpoint, planOptions(source, options), problems) : undefined;
    await reported(problems, () => checkTokenizer(checkpoint));
    const embedder = await reported(problems, () => describeEmbedder(checkpoint, described?.width));
    const { width: _, ...shownModel } = described ?? {};
    return {
      source: name,
      kind,
      byteLength,
      ...shownModel,
      ...(embedder && { embedder }),
      problems,
      metadata: Object.fromEntries([...metadata].map(([key, value]) => [key, shown(value)])),
      tensors: Array.from(tensors.values(), describeTensor),
    };
  } finally {
    await checkpoint.close();
  }
}

type ModelDescription = Pick<Inspection, 'model' | 'memory' | 'graph'> & {
  /** Width of a token's output. */
  readonly width?: number;
};

/** @throws {FormatError} if a model has no tokenizer, although it has tensors that read tokens */
function checkTokenizer({ name, kind, tokenizer, tensors }: Checkpoint): void {
  if (tokenizer) createTokenizer(tokenizer);
  else if (kind === 'huggingface' && tensors.size > 0)
    throw new FormatError(name, 'no tokenizer.json, so the model reads token ids only, not texts', {
      expected: 'tokenizer.json',
    });
}

/** @param width of the pooled vector, if the graph could be built */
function describeEmbedder(checkpoint: Checkpoint, width?: number): EmbedderInspection | undefined {
  const settings = checkpoint.embedding;
  const shapes = denseShapes(checkpoint);
  if (width !== undefined) checkDense(shapes, width, checkpoint.name);
  if (!settings && shapes.length === 0) return undefined;
  const { dense: _, ...rest } = settings ?? {};
  const dense = shapes.map(({ outputs, inputs }) => [outputs, inputs] as const);
  return { ...rest, ...(dense.length > 0 && { dense }) };
}

/** @param problems receives the reason if the graph cannot be built */
async function describeModel(
  checkpoint: Checkpoint,
  options: LoadOptions,
  problems: string[],
): Promise<ModelDescription> {
  const plan = await reported(problems, async () => {
    const [whole] = await readingsOf(checkpoint, options);
    return planModel(whole.checkpoint, options, undefined, true);
  });
  if (!plan) return {};
  const { model, estimate, context } = plan;
  const registers = { T: 1, P: 0, R: 1, S: 1 };
  const { flops, bytes } = model.graph.cost(registers);
  return {
    model: summarize(checkpoint, model),
    width: model.graph.outputs.get('hidden')?.shape[1],
    memory: { ...estimate, context },
    graph: { nodes: dumpGraph(model.graph, registers), flopsPerToken: flops, bytesPerToken: bytes },
  };
}

/** Runs work, and notes why a model cannot run: metadata and tensors are still useful. */
async function reported<T>(problems: string[], work: () => T | Promise<T>): Promise<T | undefined> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof UnsupportedError || error instanceof FormatError)) throw error;
    problems.push(error.message);
    return undefined;
  }
}

function describeTensor({ name, format, shape, byteLength }: CheckpointTensor): TensorInspection {
  return { name, format: format.name, shape, byteLength };
}

function shown(value: unknown): unknown {
  if (typeof value === 'bigint' || (typeof value === 'number' && !Number.isFinite(value))) return value.toString();
  if (ArrayBuffer.isView(value)) return shown(Array.from(value as Uint8Array));
  if (!Array.isArray(value)) return value;
  if (value.length > SHOWN_ELEMENTS) return `[${typeof value[0]} × ${value.length}]`;
  return value.map(shown);
}
