/** Plans how to run a model, from its header and the options: graph, sizes, memory. */
import { backendByName } from '../backends/index.ts';
import { OptionError } from '../core/errors.ts';
import type { Checkpoint } from '../formats/checkpoint.ts';
import { cacheSlots } from '../graph/graph.ts';
import { storedTables } from '../graph/ops/storedRows.ts';
import { weightBytes } from '../graph/ops/weight.ts';
import type { Settings } from '../graph/program.ts';
import { type BuiltModel, buildModel, trainedContextOf } from '../models/buildModel.ts';
import type { ModelParts } from '../models/modelBuilder.ts';
import type { BlockFormat } from '../tensor/blockFormat.ts';
import { formatByName } from '../tensor/formats.ts';
import { estimateMemory, type MemoryEstimate } from './estimate.ts';
import { isEncoder } from './graphKind.ts';
import type { LoadOptions } from './loadOptions.ts';
import { tablesToStore } from './storedTables.ts';

export interface ModelPlan {
  readonly model: BuiltModel;
  readonly context: number;
  readonly kv: BlockFormat;
  /** Maximum tokens and selected rows of a step. */
  readonly maxTokens: number;
  readonly maxRows: number;
  readonly settings: Settings;
  readonly estimate: MemoryEstimate;
}

/** Maximum default context. The cache of a longer one takes more memory than the weights of a small model. */
const DEFAULT_CONTEXT = 4096;
/** An encoder has no cache, but reads a text in one step: the activations of a longer one take more memory than the weights. */
const DEFAULT_ENCODER_CONTEXT = 8192;
const DEFAULT_STEP_TOKENS = 256;
const ENCODER_STEP_TOKENS = 512;
/** With embeddings in the file: of such a large model a step of 64 tokens takes seconds, and longer ones need more memory. */
const LARGE_STEP_TOKENS = 64;
/** Maximum size of the logits of one step; 32 rows for a vocabulary of 128,000. */
const LOGIT_BYTES = 2 ** 24;

/**
 * @param headerOnly true if only the header is read, of a file that `load` may download first
 * @throws {OptionError} if options do not fit the model @throws the errors of `buildModel`
 */
export async function planModel(
  checkpoint: Checkpoint,
  options: LoadOptions,
  parts?: ModelParts,
  headerOnly = false,
): Promise<ModelPlan> {
  const trained = trainedContextOf(checkpoint);
  const usual = Math.min(trained, DEFAULT_CONTEXT);
  const first = buildModel(checkpoint, options.context ?? usual, parts);
  const context = options.context ?? (isEncoder(first.graph) ? Math.min(trained, DEFAULT_ENCODER_CONTEXT) : usual);
  const whole = context === (options.context ?? usual) ? first : buildModel(checkpoint, context, parts);
  const { always, ifNeeded } = tablesToStore(whole, options.embeddings, headerOnly && options.cache?.keep !== false);
  const storing = (stored: ReadonlySet<string>) =>
    stored.size === 0 ? whole : buildModel(checkpoint, context, { ...parts, stored });
  const plan = await planGraph(storing(always), context, options);
  if (plan.estimate.fits || ifNeeded.size === always.size) return plan;
  return planGraph(storing(ifNeeded), context, options);
}

/** Chooses the sizes of steps, and estimates the memory that they need. */
async function planGraph(model: BuiltModel, context: number, options: LoadOptions): Promise<ModelPlan> {
  const kv = formatByName((options.kv ?? 'f16').toUpperCase());
  checkHeads(model, kv);
  const encoder = isEncoder(model.graph);
  // an encoder sees a text at once, and as many short ones as fit
  const storedBytes = [...storedTables(model.graph).values()].reduce((sum, table) => sum + weightBytes(table), 0);
  const usual = storedBytes > 0 ? LARGE_STEP_TOKENS : DEFAULT_STEP_TOKENS;
  const stepTokens = options.stepTokens ?? (encoder ? ENCODER_STEP_TOKENS : usual);
  const maxTokens = encoder ? Math.max(stepTokens, context) : Math.min(stepTokens, context);
  const { outputs } = model.graph;
  const width = ((encoder ? undefined : outputs.get('logits')) ?? outputs.get('hidden')!).shape[1];
  const maxRows = encoder ? maxTokens : Math.max(1, Math.min(Math.floor(LOGIT_BYTES / (4 * width)), maxTokens));
  const limits = { maxTokens, maxRows, context };
  const settings = settingsOf(options);
  const needs = await backendByName(options.backend).memoryNeeds(model.graph, limits, kv, settings);
  return { model, kv, ...limits, settings, estimate: estimateMemory(needs, context, storedBytes) };
}

/** Backend-specific settings among the options. */
function settingsOf({ threads, variant }: LoadOptions): Settings {
  return { ...(threads !== undefined && { threads }), ...(variant !== undefined && { variant }) };
}

function checkHeads({ graph }: BuiltModel, kv: BlockFormat): void {
  for (const { headSize } of cacheSlots(graph.nodes)) {
    if (headSize % kv.blockSize === 0) continue;
    const expected = `a format whose blocks fill heads of ${headSize}, which those of ${kv.blockSize} do not`;
    throw new OptionError('kv', kv.name.toLowerCase(), expected);
  }
}
