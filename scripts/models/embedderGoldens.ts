/** Goldens of embedders and rerankers: see scripts/makeEmbedderGoldens.ts. */
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';

export const embedderGoldens = new URL('../../test/goldens/embedders.golden.gz', import.meta.url);

export interface EmbedderGolden {
  /** Name in `embedderPlans`. */
  readonly name: string;
  /** SHA-256 of the GGUF file. */
  readonly sha256: string;
  readonly tokens: readonly (readonly number[])[];
  readonly texts: readonly string[];
  /** Pooled vectors of the tokens in llama.cpp, before normalization; of a classifier its first output. */
  readonly llamaCpp: readonly (readonly number[])[];
  /** Absent if transformers has no such model. */
  readonly transformers?: {
    /** Outputs of the classifier for the tokens. */
    readonly scores: readonly (readonly number[])[];
    /** Mean of the last hidden states of the tokens. */
    readonly hidden: readonly (readonly number[])[];
    /** Embeddings of the texts by sentence-transformers, and token ids. */
    readonly embeddings?: readonly (readonly number[])[];
    readonly ids?: readonly (readonly number[])[];
  };
}

export const readEmbedderGoldens = (): EmbedderGolden[] =>
  JSON.parse(gunzipSync(readFileSync(embedderGoldens)).toString('utf8'));
