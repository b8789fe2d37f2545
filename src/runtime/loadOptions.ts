/** What can be set of a loaded model. */
import { type BackendName, backends } from '../backends/index.ts';
import type { OnProgress } from '../core/progress.ts';
import type { CacheOptions } from '../formats/download/hub.ts';
import type { CheckpointSource, OpenOptions } from '../formats/open.ts';
import type { Adapter } from '../models/adapter.ts';
import { abortSignal, callback, checkOptions, oneOf, type Rules, wholeNumber } from './checkOptions.ts';

export interface LoadOptions {
  readonly signal?: AbortSignal;
  /** Told of downloading and loading. */
  readonly onProgress?: OnProgress;
  /** Default: what the backend finds best. */
  readonly threads?: number;
  /** Tokens that a session can hold; its memory grows with it. Default: what the model was trained for, at most 4096. */
  readonly context?: number;
  /** Format of keys and values: half the bytes of 'f32', or a quarter. Default 'f16'. */
  readonly kv?: 'f32' | 'f16' | 'q8_0';
  /** Default 'auto': the fastest that works here. */
  readonly backend?: BackendName;
  /**
   * Which build of the backend's kernels: 'relaxed-i16', 'relaxed-i32', 'baseline', or one of them with '-wide' tiles.
   * Default: the fastest here, as measured when a model is loaded for the first time, and kept.
   */
  readonly variant?: string;
  /** Measure the time of every command, for `model.timings()`. */
  readonly trace?: boolean;
  /** Tokens that one step computes at most: more are faster per token, and longer until an abort is heard. Default 256. */
  readonly stepTokens?: number;
  /**
   * A LoRA adapter, or where its GGUF file is: the model then has a place for it, and for others of the same matrices and
   * of no higher rank, see `model.setAdapter`.
   */
  readonly adapter?: CheckpointSource | Adapter;
  /** Headers of requests to a URL's host, such as Authorization. Redirects to other hosts get none. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Where `hf:` models come from, and where downloads and measurements of the device are stored. */
  readonly cache?: CacheOptions;
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
  trace: { expected: 'true or false', accepts: (value) => typeof value === 'boolean' },
  stepTokens: wholeNumber(1, 4096),
  adapter: {
    expected: 'an adapter, a path, a URL or bytes',
    accepts: (value) => typeof value === 'string' || (typeof value === 'object' && value !== null),
  },
  headers: {
    expected: 'an object of texts, such as { Authorization: "Bearer …" }',
    accepts: (value) =>
      typeof value === 'object' && value !== null && Object.values(value).every((text) => typeof text === 'string'),
  },
  cache: { expected: 'an object', accepts: (value) => typeof value === 'object' && value !== null },
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

/** The options that say where a model comes from. */
export function openOptions({ signal, onProgress, headers, cache }: LoadOptions): OpenOptions {
  return { signal, onProgress, headers, cache };
}
