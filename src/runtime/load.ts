/** Loads a model from a source. */
import { backendByName } from '../backends/index.ts';
import { MemoryError, OptionError } from '../core/errors.ts';
import type { Checkpoint } from '../formats/checkpoint.ts';
import { checkDense, type EmbeddingSettings } from '../formats/embeddingSettings.ts';
import { type CheckpointSource, openCheckpoint } from '../formats/open.ts';
import { storedTables } from '../graph/ops/storedRows.ts';
import type { Program, WeightStore } from '../graph/program.ts';
import type { Adapter } from '../models/adapter.ts';
import { buildModel } from '../models/buildModel.ts';
import { dequantized } from '../models/dequantized.ts';
import type { ExitBinding, ExitHeader } from '../models/exitPart.ts';
import type { FingerprintedCheckpoint } from '../models/fingerprint.ts';
import { weightStore } from '../models/weightStore.ts';
import type { ChatTemplateSource } from '../tokenizer/chatTemplate.ts';
import { createTokenizer } from '../tokenizer/tokenizer.ts';
import type { CacheLimits } from './cache/cacheMemory.ts';
import { deviceNotes } from './deviceNotes.ts';
import { Engine } from './engine.ts';
import type { MemoryEstimate } from './estimate.ts';
import { isEncoder } from './graphKind.ts';
import { checkLoadOptions, type LoadOptions, openOptions, planOptions } from './loadOptions.ts';
import { type LoadedModel, Model } from './model.ts';
import type { PackageParts } from './packageParts.ts';
import { planModel } from './plan.ts';
import { compileSubmodels, type Reading, readingsOf, type Submodel } from './submodels.ts';
import { summarize } from './summary.ts';

/** Share of the memory that is left which keys and values may take. */
const SHARE = 0.8;

/**
 * @param source a path, a URL, `hf:owner/repo/file.gguf`, `package:NAME`, bytes, or a File: a GGUF file (one or several parts)
 *   or a Hugging Face folder
 * @throws {MemoryError} if it does not fit, before the weights are read @throws {FormatError} if a file is broken
 * @throws {SourceError} if a file cannot be read @throws {UnsupportedError} @throws {OptionError} @throws the signal's reason
 * @internal @param limits what the caller knows to hold the model back, for `model.backend.limits`
 */
export async function load(
  source: CheckpointSource,
  options: LoadOptions = {},
  limits: readonly string[] = [],
): Promise<Model> {
  checkLoadOptions(options);
  const name = typeof source === 'string' && /^package:/i.test(source) ? source : undefined;
  if (name === undefined) {
    if (options.components)
      throw new OptionError('components', options.components, 'nothing unless a package: is loaded');
    return new Model(await loadEngine(source, options, limits));
  }
  const { currentGeneration, readPackageParts } = await import('./packageParts.ts');
  const loadParts = async (more: Pick<LoadOptions, 'signal' | 'onProgress'>) => {
    const all = { ...options, ...more };
    const parts = await readPackageParts(name, all);
    const loaded = await loadEngine(parts.source, all, limits, parts);
    if (parts.draft !== undefined) await addDraft(loaded.engine, parts.draft, all);
    return { ...loaded, generation: parts.generation };
  };
  const { signal, onProgress } = options;
  return new Model(await loadParts({ signal, onProgress }), {
    current: () => currentGeneration(name, options.packages),
    load: loadParts,
  });
}

async function loadEngine(
  source: CheckpointSource,
  options: LoadOptions,
  limits: readonly string[],
  parts?: PackageParts,
): Promise<LoadedModel> {
  const { signal, onProgress, trace, cache } = options;
  const adapter = await adapterOf(options);
  const adapters = parts?.adapters ?? new Map<string, Adapter>();
  let opened = await openCheckpoint(source, openOptions(options));
  let isKeptOpen = false;
  try {
    for (const part of parts?.joined ?? []) opened = await joinedPart(opened, part, options);
    const file = opened;
    const exitSource = options.exit ?? parts?.exit;
    const every = [...(adapter ? [adapter] : []), ...adapters.values()];
    // exact weights have other formats, adapters name whole matrices, and an exit is calibrated for the whole model
    const isAlone = options.exact === true || exitSource !== undefined || every.length > 0;
    const selection = { bits: options.bits, width: options.width, isAlone };
    const readings = await readingsOf(file, selection);
    opened = readings[0].checkpoint;
    let exit: ExitHeader | undefined;
    let weightsOf: FingerprintedCheckpoint['fingerprint'] | undefined;
    if (exitSource !== undefined) {
      if (adapter || adapters.size > 0)
        throw new OptionError('exit', 'set', 'no adapter, for which exits are not calibrated');
      const { checkpoint: both, header } = await joined(opened, exitSource, options);
      [opened, exit, weightsOf] = [both, header, both.fingerprint];
    }
    // adapters have the layout of GGUF
    const checkpoint = every.length > 0 ? (await import('../models/inGgufTerms.ts')).inGgufTerms(opened) : opened;
    const places =
      every.length > 0 ? (await import('../models/adapter.ts')).placesForAll(every, checkpoint) : undefined;
    const weightsFrom = options.exact ? dequantized(checkpoint) : checkpoint;
    const added = { factors: places, exit };
    const { model, context, kv, maxTokens, maxRows, settings, estimate } = await planModel(
      weightsFrom,
      planOptions(source, options),
      added,
    );
    const stored = new Set(Array.from(storedTables(model.graph).values(), ({ attributes }) => attributes.tensor));
    // encoders read whole texts in one way
    const used = isEncoder(model.graph) ? readings.slice(0, 1) : readings;
    const graphOf = (reading: Reading) => buildModel(reading.checkpoint, context, { ...added, stored }).graph;
    if (!estimate.fits)
      throw new MemoryError(checkpoint.name, estimate.totalBytes, estimate.availableBytes, { ...estimate });
    const embedding = await embeddingOf(checkpoint, model.graph.outputs.get('hidden')!.shape[1], signal);
    const weights = weightStore(model);
    const notes = deviceNotes(cache?.folder);
    const compile = { weights, maxTokens, maxRows, context, settings, trace, notes, signal, onProgress };
    const compiling = backendByName(options.backend ?? 'auto').compile(model.graph, compile);
    const template = parts?.template ?? checkpoint.chatTemplate;
    const [text, compiled] = await Promise.all([textSide(checkpoint, template, compiling), compiling]);
    isKeptOpen = stored.size > 0;
    const program = isKeptOpen ? await withStoredRows(compiled, weights, () => opened.close()) : compiled;
    let submodels: Submodel[];
    let binding: ExitBinding | undefined;
    try {
      // exact weights have other values
      const weights = await weightsOf?.(signal);
      if (weights) binding = { weights: options.exact ? `${weights} exact` : weights, kv: kv.name };
      await opened.finish?.(signal);
      submodels = await compileSubmodels(program, used, graphOf);
    } catch (error) {
      program.dispose();
      throw error;
    }
    const engine = new Engine(checkpoint.name, program, {
      context,
      submodels,
      kv,
      ...text,
      places,
      adapters,
      limits,
      cache: cacheLimits(estimate, options),
      embedding,
      exit: exit && binding && { ...exit, binding },
    });
    if (adapter || every.length > 0)
      await engine.setAdapter(adapter).catch((error: unknown) => {
        engine.dispose();
        throw error;
      });
    return { engine, summary: summarize(checkpoint, model), estimate };
  } finally {
    if (!isKeptOpen) await opened.close();
  }
}

/** A model together with a head or experts of its package, which `close` closes too. */
async function joinedPart(base: Checkpoint, source: string, options: LoadOptions): Promise<Checkpoint> {
  const [{ inGgufTerms }, { withPart }] = await Promise.all([
    import('../models/inGgufTerms.ts'),
    import('../models/withPart.ts'),
  ]);
  const part = await openCheckpoint(source, openOptions(options));
  try {
    return withPart(inGgufTerms(base), part);
  } catch (error) {
    await part.close();
    throw error;
  }
}

/** Loads the smaller model of a package that drafts. Disposes of both if that fails. */
async function addDraft(engine: Engine, source: string, options: LoadOptions): Promise<void> {
  const { adapter: _, exit: __, components: ___, ...own } = options;
  let draft: Engine | undefined;
  try {
    draft = (await loadEngine(source, { ...own, context: engine.context }, [])).engine;
    engine.setDraftEngine(draft);
  } catch (error) {
    draft?.dispose();
    engine.dispose();
    throw error;
  }
}

/** The code for tables that stay in the file is downloaded by pages that need it. */
async function withStoredRows(program: Program, weights: WeightStore, close: () => Promise<void>): Promise<Program> {
  return (await import('./storedRows.ts')).withStoredRows(program, weights, close);
}

/** A model together with its exit, which `close` closes too. */
async function joined(base: Checkpoint, source: CheckpointSource, options: LoadOptions) {
  const { inGgufTerms } = await import('../models/inGgufTerms.ts');
  const { readExitHeader, withExit } = await import('../models/exits.ts');
  const { fingerprinted } = await import('../models/fingerprint.ts');
  const exit = await openCheckpoint(source, openOptions(options));
  try {
    return { checkpoint: fingerprinted(withExit(inGgufTerms(base), exit)), header: readExitHeader(exit) };
  } catch (error) {
    await exit.close();
    throw error;
  }
}

/** @param source source of the adapter's GGUF file, as in `load` @throws {FormatError} if it is not an adapter @throws {SourceError} */
export async function loadAdapter(source: CheckpointSource, options: LoadOptions = {}): Promise<Adapter> {
  checkLoadOptions(options);
  const { readAdapter } = await import('../models/adapter.ts');
  const checkpoint = await openCheckpoint(source, openOptions(options));
  try {
    const adapter = await readAdapter(checkpoint);
    await checkpoint.finish?.(options.signal);
    return adapter;
  } finally {
    await checkpoint.close();
  }
}

async function adapterOf({ adapter, ...options }: LoadOptions): Promise<Adapter | undefined> {
  if (adapter === undefined) return undefined;
  return typeof adapter === 'object' && 'factors' in adapter ? adapter : loadAdapter(adapter, options);
}

/** Estimates the memory needs of a model from its header. @throws the errors of `load` except {MemoryError} */
export async function estimate(source: CheckpointSource, options: LoadOptions = {}): Promise<MemoryEstimate> {
  checkLoadOptions(options);
  const checkpoint = await openCheckpoint(source, { ...openOptions(options), headerOnly: true });
  try {
    const [whole] = await readingsOf(checkpoint, options);
    return (await planModel(whole.checkpoint, planOptions(source, options), undefined, true)).estimate;
  } finally {
    await checkpoint.close();
  }
}

/**
 * Creates the tokenizer and the chat template while the kernels compile. The template engine, a fifth of the code, is imported
 * only here, so that a page downloads it beside the weights. @param compiling is aborted if this throws
 */
async function textSide(checkpoint: Checkpoint, source: ChatTemplateSource | undefined, compiling: Promise<Program>) {
  try {
    const { createLenientChatTemplate } = await import('../tokenizer/chatTemplate.ts');
    const tokenizer = checkpoint.tokenizer && createTokenizer(checkpoint.tokenizer);
    return { tokenizer, template: createLenientChatTemplate(source, tokenizer?.specialTokens) };
  } catch (error) {
    compiling.then(
      (program) => program.dispose(),
      () => undefined,
    );
    throw error;
  }
}

/** Settings of an embedder, with the dense layers that follow pooling. @param width of the pooled vector */
async function embeddingOf(
  checkpoint: Checkpoint,
  width: number,
  signal?: AbortSignal,
): Promise<EmbeddingSettings | undefined> {
  const hasDense = [...checkpoint.tensors.keys()].some((name) => name.startsWith('dense_'));
  if (!checkpoint.embedding && !hasDense) return undefined;
  const { denseLayersFromGguf, denseShapes } = await import('../formats/gguf/denseLayers.ts');
  checkDense(denseShapes(checkpoint), width, checkpoint.name);
  const dense = await denseLayersFromGguf(checkpoint, signal);
  return dense.length > 0 ? { ...checkpoint.embedding, dense } : checkpoint.embedding;
}

/** Keys and values may take what weights and activations leave, or what the options say. */
function cacheLimits(
  { availableBytes, totalBytes, cacheBytes }: MemoryEstimate,
  options: LoadOptions,
): Partial<CacheLimits> {
  const left = availableBytes - (totalBytes - cacheBytes);
  // a page more than a context, as one may have to be copied
  return { bytes: options.cacheBytes ?? Math.max(2 * cacheBytes, SHARE * left), prefixBytes: options.prefixCacheBytes };
}
