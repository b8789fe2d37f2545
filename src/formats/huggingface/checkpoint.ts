/** Opens a Hugging Face folder (config.json, tokenizer files, safetensors in one file or in shards) as a checkpoint. */
import { EspalierError, FormatError, SourceError, UnsupportedError } from '../../core/errors.ts';
import type { ChatTemplateSource } from '../../tokenizer/chatTemplate.ts';
import type { TokenizerSpec } from '../../tokenizer/spec.ts';
import { type ByteSource, closeAll, closingOnError, finishAll } from '../byteSource.ts';
import { chatTemplatesFromConfig, chatTemplatesFromFolder } from '../chatTemplates.ts';
import type { Checkpoint, CheckpointTensor, MetadataValue } from '../checkpoint.ts';
import type { EmbeddingSettings } from '../embeddingSettings.ts';
import type { Folder } from '../folder.ts';
import { type JsonObject, parseJsonObject, readText } from '../json.ts';
import { readSafetensors } from '../safetensors/read.ts';
import { type TokenizerFiles, tokenizerFromHuggingFace } from '../tokenizerFromHuggingFace.ts';
import { readSentenceTransformers } from './sentenceTransformers.ts';

const WEIGHTS = 'model.safetensors';
const INDEX = 'model.safetensors.index.json';

interface Weights {
  readonly tensors: ReadonlyMap<string, CheckpointTensor>;
  readonly sources: readonly ByteSource[];
}

interface TextFiles extends Partial<TokenizerFiles> {
  readonly tokenizerConfig?: JsonObject;
  readonly chatTemplate?: ChatTemplateSource;
  /** Settings of an embedder, or the reason why they cannot be used. */
  readonly embedding?: EmbeddingSettings | EspalierError;
}

class HuggingFaceCheckpoint implements Checkpoint {
  readonly kind = 'huggingface';
  readonly tensors: ReadonlyMap<string, CheckpointTensor>;
  readonly byteLength: number;
  #spec?: TokenizerSpec;

  readonly #weights: Weights;
  readonly #texts: TextFiles;

  constructor(
    readonly name: string,
    readonly metadata: ReadonlyMap<string, MetadataValue>,
    weights: Weights,
    texts: TextFiles = {},
  ) {
    this.#weights = weights;
    this.#texts = texts;
    this.tensors = weights.tensors;
    this.byteLength = weights.sources.reduce((sum, source) => sum + source.size, 0);
  }

  /** Read on first use, so that a model with an unsupported tokenizer can still be inspected. */
  get tokenizer(): TokenizerSpec | undefined {
    const { tokenizer } = this.#texts;
    if (!tokenizer) return undefined;
    return (this.#spec ??= tokenizerFromHuggingFace({ ...this.#texts, tokenizer }, `${this.name}/tokenizer.json`));
  }

  /** Throws on use what its files have that is not supported, so that such a model can still be inspected. */
  get embedding(): EmbeddingSettings | undefined {
    const { embedding } = this.#texts;
    if (embedding instanceof EspalierError) throw embedding;
    return embedding;
  }

  get chatTemplate(): ChatTemplateSource | undefined {
    return this.#texts.chatTemplate ?? chatTemplatesFromConfig(this.#texts.tokenizerConfig?.chat_template);
  }

  finish(signal?: AbortSignal): Promise<void> {
    return finishAll(this.#weights.sources, signal);
  }

  async close(): Promise<void> {
    await closeAll(this.#weights.sources);
  }
}

/**
 * Opens a folder. Only config.json and the weights are required.
 * @throws {FormatError} for a broken or missing file; {SourceError}
 */
export async function openHuggingFaceFolder(folder: Folder, signal?: AbortSignal): Promise<Checkpoint> {
  const config = await readJson(folder, 'config.json', signal);
  if (!config)
    throw new SourceError(
      folder.name,
      'has no config.json: it is not a model folder; a GGUF model is opened by its file',
      { expected: 'config.json' },
    );
  const generation = await readJson(folder, 'generation_config.json', signal);
  const texts: TextFiles = {
    tokenizer: await readJson(folder, 'tokenizer.json', signal),
    tokenizerConfig: await readJson(folder, 'tokenizer_config.json', signal),
    specialTokensMap: await readJson(folder, 'special_tokens_map.json', signal),
    addedTokens: await readJson(folder, 'added_tokens.json', signal),
    generationConfig: generation,
    config,
    embedding: await readSentenceTransformers(folder, signal).catch(asReason),
    chatTemplate: await chatTemplatesFromFolder(folder, (from, file) => readFile(from, file, (text) => text, signal)),
  };
  const metadata = new Map(Object.entries(config));
  if (generation) metadata.set('generation_config', generation);
  return new HuggingFaceCheckpoint(folder.name, metadata, await openWeights(folder, signal), texts);
}

function asReason(error: unknown): EspalierError {
  if (error instanceof FormatError || error instanceof UnsupportedError) return error;
  throw error;
}

/** Opens a single .safetensors file: its tensors, and the strings of its `__metadata__`. */
export async function openSafetensors(source: ByteSource, signal?: AbortSignal): Promise<Checkpoint> {
  const sources = [source];
  const file = await closingOnError(sources, () => readSafetensors(source, { signal }));
  return new HuggingFaceCheckpoint(source.name, file.metadata, { tensors: file.tensors, sources });
}

async function openWeights(folder: Folder, signal?: AbortSignal): Promise<Weights> {
  // prefer the single file: an index may be left over from another download
  const whole = await folder.open(WEIGHTS, signal);
  const index = whole ? undefined : await readJson(folder, INDEX, signal);
  const listed = index ? weightMap(index, `${folder.name}/${INDEX}`) : undefined;
  const tensors = new Map<string, CheckpointTensor>();
  const sources: ByteSource[] = [];
  return closingOnError(sources, async () => {
    for (const file of listed ? new Set(listed.values()) : [WEIGHTS]) {
      const source = whole ?? (await folder.open(file, signal));
      if (!source) throw new SourceError(folder.name, `has no ${file}, which holds its weights`, { expected: file });
      sources.push(source);
      const shard = await readSafetensors(source, { signal });
      for (const [name, tensor] of shard.tensors) {
        if (!listed || listed.get(name) === file) tensors.set(name, tensor);
      }
    }
    for (const [name, file] of listed ?? []) {
      if (tensors.has(name)) continue;
      throw new FormatError(`${folder.name}/${file}`, `has no tensor ${name}, which ${INDEX} places there`, {
        tensor: name,
      });
    }
    return { tensors, sources };
  });
}

/** Reads the index of a sharded model: tensor name → file name. */
function weightMap(index: JsonObject, file: string): Map<string, string> {
  const { weight_map: map } = index;
  if (typeof map !== 'object' || map === null)
    throw new FormatError(file, 'has no weight_map', { expected: 'weight_map' });
  for (const [tensor, shard] of Object.entries(map)) {
    if (typeof shard === 'string' && /^[^/\\]+\.safetensors$/.test(shard)) continue;
    const problem = `places tensor ${tensor} in ${JSON.stringify(shard)}, expected the name of a .safetensors file beside it`;
    throw new FormatError(file, problem, { tensor, expected: '*.safetensors', found: shard });
  }
  return new Map(Object.entries(map));
}

function readJson(folder: Folder, file: string, signal?: AbortSignal): Promise<JsonObject | undefined> {
  return readFile(folder, file, parseJsonObject, signal);
}

async function readFile<T>(
  folder: Folder,
  file: string,
  parse: (text: string, file: string) => T,
  signal?: AbortSignal,
): Promise<T | undefined> {
  const source = await folder.open(file, signal);
  if (!source) return undefined;
  try {
    return parse(await readText(source, signal), source.name);
  } finally {
    await source.close();
  }
}
