/**
 * Tokenizes texts once: the tokens are cached under a hash of the text, the tokenizer and the rules, so a cache entry is
 * never outdated.
 */
import { sha256 } from '#leaf/formats/download/sha256';
import { EspalierError, SourceError } from '../../core/errors.ts';
import type { OnProgress } from '../../core/progress.ts';
import { type ByteSource, closingOnError } from '../../formats/byteSource.ts';
import type { CacheStore } from '../../formats/download/cacheStore.ts';
import type { TokenizerSpec } from '../../tokenizer/spec.ts';
import { type PartRule, textParts } from '../../tokenizer/textParts.ts';
import { createTokenizer } from '../../tokenizer/tokenizer.ts';
import { textPieces } from './textPieces.ts';
import { readTokenFile, type TokenFile, writeTokenFile } from './tokenFile.ts';

export interface TextSource {
  /** Opens the text; called once per run. @throws {SourceError} */
  open(): Promise<ByteSource>;
  /** See `textPieces`. */
  readonly separator?: string;
  /** Selects the parts to train on. Default: everything. */
  readonly learn?: PartRule;
}

export interface TokenizeOptions {
  readonly tokenizer: TokenizerSpec;
  readonly store: CacheStore;
  readonly onProgress?: OnProgress;
  readonly signal?: AbortSignal;
}

export interface TokenizedText extends TokenFile {
  /** Hash of everything that the tokens depend on. */
  readonly key: string;
}

/** Increase it when the tokens of a text change. */
const VERSION = 1;
const READ_BYTES = 1 << 20;

/**
 * Returns the tokens of a text, computed or from the cache. A document is BOS (if the vocabulary asks for it; never trained
 * on), its tokens, and EOS if there is one and the text does not end with it.
 * @throws {FormatError|SourceError} if a text is empty, not UTF-8, or cannot be read @throws {UnsupportedError}
 */
export async function tokenize(text: TextSource, options: TokenizeOptions): Promise<TokenizedText> {
  const { store, signal } = options;
  const source = await text.open();
  try {
    const content = await contentHash(source, options);
    const rules = { version: VERSION, content, separator: text.separator, learn: text.learn, spec: options.tokenizer };
    const key = sha256Of(JSON.stringify(rules));
    const path = ['tokens', `${key}.tokens`];
    const found = (await store.open(path)) ?? (await fill(path));
    return { ...(await closingOnError([found], () => readTokenFile(found, source.name))), key };

    async function fill(path: readonly string[]): Promise<ByteSource> {
      await store.fill(path, 'tokens', async (partial) => {
        // start again instead of resuming: tokenizing is fast compared with training
        await partial.clear();
        await writeTokens(hashing(source, content), text, options, (bytes) => partial.append(bytes));
      });
      const made = await store.open(path);
      if (!made) throw new SourceError(path.join('/'), 'was removed from the cache right after it was written');
      return made;
    }
  } catch (error) {
    if (error instanceof EspalierError || signal?.aborted) throw error;
    const problem = `its tokens cannot be stored in the cache: ${(error as Error).message}; free some space or use another folder`;
    throw new SourceError(source.name, problem, { reason: (error as NodeJS.ErrnoException).code }, { cause: error });
  } finally {
    await source.close();
  }
}

async function writeTokens(
  source: ByteSource,
  { separator, learn }: TextSource,
  { tokenizer: spec, onProgress, signal }: TokenizeOptions,
  write: (bytes: Uint8Array) => Promise<void>,
): Promise<void> {
  const tokenizer = createTokenizer(spec);
  const { bos, eos } = tokenizer;
  const writer = writeTokenFile(tokenizer.vocabSize, write);
  let parts = textParts(learn, tokenizer);
  let starts = true;
  let last = -1;
  for await (const { text, ends } of textPieces(source, { separator, onProgress, signal })) {
    if (starts && tokenizer.addBos && bos !== undefined) await writer.add([bos], [false]);
    starts = ends;
    const ids = tokenizer.encode(text, { addBos: false, addEos: false });
    await writer.add(ids, parts.mark(text, ids));
    last = ids.at(-1) ?? last;
    if (!ends) continue;
    if (eos !== undefined && last !== eos) await writer.add([eos], [parts.inside]);
    writer.endDocument();
    parts = textParts(learn, tokenizer);
    last = -1;
  }
  await writer.finish(source.size);
}

async function contentHash(source: ByteSource, { signal, onProgress }: TokenizeOptions): Promise<string> {
  const hash = sha256();
  const buffer = new Uint8Array(Math.min(READ_BYTES, source.size));
  for (let at = 0; at < source.size; at += buffer.length) {
    const part = buffer.subarray(0, Math.min(buffer.length, source.size - at));
    await source.read(at, part.length, part, signal);
    hash.update(part);
    const done = at + part.length;
    onProgress?.({ stage: 'check text', done, total: source.size, unit: 'bytes', item: source.name });
  }
  return hash.hex();
}

/** SHA-256 in hexadecimal. */
export function sha256Of(text: string): string {
  const hash = sha256();
  hash.update(new TextEncoder().encode(text));
  return hash.hex();
}

/** Wraps a source that is read once from start to end, and checks that it still has the expected hash. */
function hashing(source: ByteSource, expected: string): ByteSource {
  const hash = sha256();
  let at = 0;
  return {
    name: source.name,
    size: source.size,
    close: () => source.close(),
    async read(offset, length, into, signal) {
      await source.read(offset, length, into, signal);
      hash.update(into.subarray(0, length));
      at += length;
      if (at === source.size && hash.hex() !== expected) {
        throw new SourceError(
          source.name,
          'the file changed while it was read; start again when no other program writes to it',
        );
      }
    },
  };
}
