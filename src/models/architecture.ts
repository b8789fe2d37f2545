/** What a model architecture is: one file each says how its graph is built, and how its folders read. */
import type { FolderFamily } from './folders/family.ts';
import type { ModelBuilder } from './modelBuilder.ts';

export interface Architecture {
  /** Value of general.architecture in GGUF files. */
  readonly name: string;
  /** Published families, as the README lists them: 'Llama 1 to 3.3, SmolLM2'. */
  readonly models: string;
  /** Hugging Face's model types that are this architecture. */
  readonly folders?: readonly FolderFamily[];
  /** Keys that would change the computation, and that llama.cpp passes over for this architecture, as is done here. */
  readonly passesOver?: readonly string[];
  /** Tensors that llama.cpp, or transformers' embedders, load for this architecture and do not use. */
  readonly passesOverTensors?: RegExp;
  /** True if GGUF has no such architecture, so that it comes in folders only. */
  readonly foldersOnly?: boolean;
  /** Absent if new models of this architecture cannot be made. */
  readonly fresh?: FreshRules;
  /** Builds the graph with outputs 'logits' [R, V] and 'hidden' [R, D] (after the last norm). */
  build(model: ModelBuilder): void;
}

/** Tensors and metadata of a new model. */
export interface FreshRules {
  /** Keys after the architecture's name, besides the sizes that all decoders have. */
  metadata(sizes: FreshSizes): Readonly<Record<string, number>>;
  /** Names of the tensors outside the blocks, except `output.weight`. */
  readonly ends: readonly string[];
  /** Tensors of a block, e.g. 'attn_qkv.weight'. */
  readonly block: readonly string[];
  /** True if the model may be trained without its biases; they stay zero then. */
  readonly biasesAreOpen?: boolean;
}

/** Sizes of a new model. */
export interface FreshSizes {
  readonly layers: number;
  readonly width: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headSize: number;
  readonly ffn: number;
  readonly vocabulary: number;
  /** Maximum number of positions. */
  readonly context: number;
  /** True if the output shares the embedding's weights. */
  readonly tied: boolean;
  readonly normEpsilon: number;
  readonly ropeBase: number;
}
