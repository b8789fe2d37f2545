/** A model with the tokenizer component of its package: a GGUF file with only a vocabulary, or tokenizer.json. */
import type { TokenizerSpec } from '../../tokenizer/spec.ts';
import type { Checkpoint } from '../checkpoint.ts';
import type { Folder } from '../folder.ts';
import { openGguf } from '../gguf/checkpoint.ts';
import { type JsonObject, parseJsonObject, readText } from '../json.ts';

/** @param file name in `folder` @throws {FormatError} for a damaged tokenizer; `checkpoint` is closed then */
export async function withTokenizer(
  checkpoint: Checkpoint,
  folder: Folder,
  file: string,
  signal?: AbortSignal,
): Promise<Checkpoint> {
  try {
    const tokenizer = /\.json$/i.test(file) ? await ofJson(folder, file, signal) : await ofGguf(folder, file, signal);
    const { name, kind, metadata, tensors, embedding, chatTemplate, byteLength } = checkpoint;
    return {
      ...{ name, kind, metadata, tensors, embedding, chatTemplate, byteLength },
      ...(tokenizer && { tokenizer }),
      finish: async (finishing) => checkpoint.finish?.(finishing),
      close: () => checkpoint.close(),
    };
  } catch (error) {
    await checkpoint.close();
    throw error;
  }
}

async function ofGguf(folder: Folder, file: string, signal?: AbortSignal): Promise<TokenizerSpec | undefined> {
  const vocabulary = await openGguf((await folder.open(file, signal))!, { folder, file, signal });
  try {
    return vocabulary.tokenizer;
  } finally {
    await vocabulary.close();
  }
}

async function ofJson(folder: Folder, file: string, signal?: AbortSignal): Promise<TokenizerSpec> {
  const { tokenizerFromHuggingFace } = await import('../tokenizerFromHuggingFace.ts');
  const tokenizer = await readJson(folder, file, signal);
  const files = {
    tokenizer,
    tokenizerConfig: await readJson(folder, 'tokenizer_config.json', signal),
    specialTokensMap: await readJson(folder, 'special_tokens_map.json', signal),
    generationConfig: await readJson(folder, 'generation_config.json', signal),
  };
  return tokenizerFromHuggingFace(files, `${folder.name}/${file}`);
}

async function readJson(folder: Folder, file: string, signal?: AbortSignal): Promise<JsonObject | undefined> {
  const source = await folder.open(file, signal);
  if (!source) return undefined;
  try {
    return parseJsonObject(await readText(source, signal), source.name);
  } finally {
    await source.close();
  }
}
