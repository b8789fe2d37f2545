/** Loads only the tokenizer: of a model, of a GGUF file with only a vocabulary, or from tokenizer.json. */
import { fileSource } from '#leaf/formats/sources/path';
import { EspalierError, SourceError } from '../core/errors.ts';
import type { ByteSource } from '../formats/byteSource.ts';
import { type JsonObject, parseJsonObject, readText } from '../formats/json.ts';
import { type CheckpointSource, openCheckpoint } from '../formats/open.ts';
import { httpSource } from '../formats/sources/http.ts';
import type { TokenizerSpec } from '../tokenizer/spec.ts';
import { createTokenizer, type Tokenizer } from '../tokenizer/tokenizer.ts';
import { checkLoadOptions, type LoadOptions, openOptions } from './loadOptions.ts';

const FILE = 'tokenizer.json';

/**
 * @param source as in `load`, or the path or URL of a tokenizer.json
 * @throws {EspalierError} NO_TOKENIZER @throws the errors of `load`
 */
export async function loadTokenizer(source: CheckpointSource, options: LoadOptions = {}): Promise<Tokenizer> {
  checkLoadOptions(options);
  const name = source instanceof URL ? source.href : source;
  if (typeof name === 'string' && name.endsWith(FILE))
    return createTokenizer(await readJsonFiles(name, options.signal));
  const checkpoint = await openCheckpoint(source, { ...openOptions(options), headerOnly: true });
  try {
    if (checkpoint.tokenizer) return createTokenizer(checkpoint.tokenizer);
    throw new EspalierError('NO_TOKENIZER', `${checkpoint.name}: the model has no tokenizer`);
  } finally {
    await checkpoint.close();
  }
}

/** The file and those beside it that say more about the tokenizer. */
async function readJsonFiles(name: string, signal?: AbortSignal): Promise<TokenizerSpec> {
  const tokenizer = await readJson(name, signal);
  const beside = (file: string): Promise<JsonObject | undefined> =>
    readJson(`${name.slice(0, -FILE.length)}${file}`, signal).catch((error) => {
      if (error instanceof SourceError) return undefined;
      throw error;
    });
  const files = {
    tokenizer,
    tokenizerConfig: await beside('tokenizer_config.json'),
    specialTokensMap: await beside('special_tokens_map.json'),
    addedTokens: await beside('added_tokens.json'),
    generationConfig: await beside('generation_config.json'),
    config: await beside('config.json'),
  };
  const { tokenizerFromHuggingFace } = await import('../formats/tokenizerFromHuggingFace.ts');
  return tokenizerFromHuggingFace(files, name);
}

async function readJson(name: string, signal?: AbortSignal): Promise<JsonObject> {
  const source: ByteSource = await (/^https?:/i.test(name) ? httpSource(name, { signal }) : fileSource(name));
  try {
    return parseJsonObject(await readText(source, signal), name);
  } finally {
    await source.close();
  }
}
