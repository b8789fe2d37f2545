/** Interface of a model architecture. Each architecture is a file that builds the graph and maps folders to GGUF names. */
import type { FolderFamily } from './folders/family.ts';
import type { ModelBuilder } from './modelBuilder.ts';

export interface Architecture {
  /** Value of general.architecture in GGUF files. */
  readonly name: string;
  /** Published families for the README's list: 'Llama 1 to 3.3, SmolLM2'. */
  readonly models: string;
  /** Hugging Face model types of this architecture. */
  readonly folders?: readonly FolderFamily[];
  /** Keys that would change the computation but are ignored for this architecture, as in llama.cpp. */
  readonly passesOver?: readonly string[];
  /** Tensors that are loaded but not used, as in llama.cpp or transformers' embedders. */
  readonly passesOverTensors?: RegExp;
  /** True if GGUF has no such architecture, so that it exists only as folders. */
  readonly foldersOnly?: boolean;
  /** Absent if new models of this architecture cannot be created. */
  readonly fresh?: FreshRules;
  /** Builds the graph with outputs 'logits' [R, V] and 'hidden' [R, D] (after the last norm). */
  build(model: ModelBuilder): void;
}

/** Tensors and metadata of a new model. */
export interface FreshRules {
  /** Keys without the architecture's prefix, besides the sizes that all decoders have. */
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
