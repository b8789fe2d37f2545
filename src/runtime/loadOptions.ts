/** Options of loading a model. */
import { type BackendName, backends } from '../backends/index.ts';
import type { OnProgress } from '../core/progress.ts';
import { isCheckpoint } from '../formats/checkpoint.ts';
import type { CacheOptions } from '../formats/download/hub.ts';
import type { CheckpointSource, OpenOptions } from '../formats/open.ts';
import type { Adapter } from '../models/adapter.ts';
import { abortSignal, callback, checkOptions, oneOf, type Rules, wholeNumber } from './checkOptions.ts';

export interface LoadOptions {
  readonly signal?: AbortSignal;
  /** Progress of downloading and loading. */
  readonly onProgress?: OnProgress;
  /** Number of threads. Default: chosen by the backend. */
  readonly threads?: number;
  /** Tokens that a session can hold. Default: what the model was trained for, at most 4096; 8192 for encoders. */
  readonly context?: number;
  /** Format of the KV cache: 'f16' takes half the memory of 'f32', 'q8_0' a quarter. Default 'f16'. */
  readonly kv?: 'f32' | 'f16' | 'q8_0';
  /** Compute backend. Default 'auto': the fastest that works on this device. */
  readonly backend?: BackendName;
  /**
   * Kernel variant: 'relaxed-i16', 'relaxed-i32' or 'baseline', optionally with '-wide' tiles.
   * Default: the fastest on this device, measured once when the first model is loaded.
   */
  readonly variant?: string;
  /**
   * Maximum bytes of keys and values of all sessions. A generation reserves its maximum size; if that does not fit, it waits
   * for others to end. Default: most of the memory that the weights leave.
   */
  readonly cacheBytes?: number;
  /** Maximum bytes of keys and values to keep for prompts with the same prefix. Default: those of one full session. */
  readonly prefixCacheBytes?: number;
  /**
   * Compute with the weights dequantized to F32, so that no kernel rounds activations. Needs 4 bytes per weight; for measuring
   * the quality of a file. Set `kv` to 'f32', too. Default false.
   */
  readonly exact?: boolean;
  /**
   * Where embeddings of tokens are that a step reads only by rows: 'file' leaves them in the file, which stays open until the
   * model is disposed of. Default 'auto': in the file if they have at least 256 MiB, or if the model would not fit otherwise,
   * and the file is on this device and was opened by `load`.
   */
  readonly embeddings?: 'auto' | 'memory' | 'file';
  /** Measure the time of every command, for `model.timings()`. */
  readonly trace?: boolean;
  /** Maximum tokens per step. Larger steps are faster per token but delay aborts. Default 256, or 64 with embeddings in the file. */
  readonly stepTokens?: number;
  /**
   * A LoRA adapter, or the source of its GGUF file. `model.setAdapter` can replace it by adapters of the same matrices and at
   * most the same rank.
   */
  readonly adapter?: CheckpointSource | Adapter;
  /**
   * Bits at which a file with nested bits is read (`espalier quantize --nested`). 4 reads and keeps half of the bytes. Default: all planes are
   * loaded, the model runs at 8 bits, and `model.setSubmodel('4 bits')` switches between two tokens.
   */
  readonly bits?: 4 | 8;
  /**
   * Share of the neurons with which a file with nested widths is read, such as 0.75 (`espalier sort-neurons`). Default: all are loaded, the model
   * runs with all of them, and `model.setSubmodel` switches between two tokens.
   */
  readonly width?: number;
  /** Source of an early exit's GGUF file. It is used by generations with the option `exit`. Not together with adapters. */
  readonly exit?: CheckpointSource;
  /** Headers of requests to a URL's host, such as Authorization. Redirects to other hosts get none. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Hub of `hf:` models, and the cache of downloads and device measurements. */
  readonly cache?: CacheOptions;
  /**
   * With a `package:` source: components to load besides the base, its tokenizer and its template. Default: none.
   * - 'adapter/NAME': `model.setAdapter('adapter/NAME')` switches to it
   * - 'head/NAME': a classifier for `model.classify` beside the language head, or an early exit
   * - 'experts/NAME': experts whose matrices replace the base's
   * - 'draft': a smaller model that drafts, as the option `draftModel` does
   */
  readonly components?: readonly string[];
  /** Folder of installed packages, for `package:` sources. Default: the one of `openStore()` in espalier/package. */
  readonly packages?: string;
  /**
   * In a page: URL of the file `espalier/worker`, where the model then runs. Default: the one beside the package, which
   * bundlers find. Outside of pages it is not used.
   */
  readonly workerUrl?: string | URL;
}

const rules: Rules<LoadOptions> = {
  signal: abortSignal,
  onProgress: callback,
  threads: wholeNumber(1, 256),
  context: wholeNumber(1, 2 ** 24),
  kv: oneOf(['f32', 'f16', 'q8_0']),
  backend: oneOf(['auto', ...backends.map(({ name }) => name)]),
  variant: { expected: 'a name', accepts: (value) => typeof value === 'string' },
  cacheBytes: wholeNumber(0, Number.MAX_SAFE_INTEGER),
  prefixCacheBytes: wholeNumber(0, Number.MAX_SAFE_INTEGER),
  exact: { expected: 'true or false', accepts: (value) => typeof value === 'boolean' },
  embeddings: oneOf(['auto', 'memory', 'file']),
  trace: { expected: 'true or false', accepts: (value) => typeof value === 'boolean' },
  stepTokens: wholeNumber(1, 4096),
  adapter: {
    expected: 'an adapter, a path, a URL or bytes',
    accepts: (value) => typeof value === 'string' || (typeof value === 'object' && value !== null),
  },
  bits: { expected: '4 or 8', accepts: (value) => value === 4 || value === 8 },
  width: { expected: 'a share of the neurons, 0 … 1', accepts: (value) => Number(value) > 0 && Number(value) <= 1 },
  exit: {
    expected: 'a path, a URL or bytes',
    accepts: (value) => typeof value === 'string' || (typeof value === 'object' && value !== null),
  },
  headers: {
    expected: 'an object of texts, such as { Authorization: "Bearer …" }',
    accepts: (value) =>
      typeof value === 'object' && value !== null && Object.values(value).every((text) => typeof text === 'string'),
  },
  cache: { expected: 'an object', accepts: (value) => typeof value === 'object' && value !== null },
  components: {
    expected: "a list of roles, such as ['adapter/legal']",
    accepts: (value) => Array.isArray(value) && value.every((role) => typeof role === 'string'),
  },
  packages: { expected: 'a path or name', accepts: (value) => typeof value === 'string' && value !== '' },
  workerUrl: { expected: 'a URL', accepts: (value) => typeof value === 'string' || value instanceof URL },
};

const cacheRules: Rules<CacheOptions> = {
  folder: { expected: 'a path or name', accepts: (value) => typeof value === 'string' && value !== '' },
  endpoint: { expected: 'a URL', accepts: (value) => typeof value === 'string' },
  token: { expected: 'a text', accepts: (value) => typeof value === 'string' },
  keep: { expected: 'true or false', accepts: (value) => typeof value === 'boolean' },
  retry: { expected: 'an object', accepts: (value) => typeof value === 'object' && value !== null },
};

/** @throws {OptionError} */
export function checkLoadOptions(options: LoadOptions): void {
  checkOptions(options, rules);
  checkOptions(options.cache ?? {}, cacheRules);
}

/** The options that describe the source of a model. */
export function openOptions({ signal, onProgress, headers, cache, packages }: LoadOptions): OpenOptions {
  return { signal, onProgress, headers, cache, packages };
}

/** Options for planning. Whoever has opened a checkpoint may close it when the model is loaded, so by default nothing stays in its file. */
export function planOptions(source: CheckpointSource, options: LoadOptions): LoadOptions {
  return isCheckpoint(source) ? { ...options, embeddings: options.embeddings ?? 'memory' } : options;
}
