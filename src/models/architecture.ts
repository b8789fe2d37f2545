/** The interface of a model architecture. Each architecture is one file with its tensor names and its graph. */
import { FormatError } from '../core/errors.ts';
import type { Graph, Value, WeightAttributes } from '../graph/graph.ts';
import { dropout } from '../graph/ops/dropout.ts';
import { input } from '../graph/ops/input.ts';
import { weight } from '../graph/ops/weight.ts';
import type { BlockFormat } from '../tensor/blockFormat.ts';
import { formatByName } from '../tensor/formats.ts';
import type { Metadata } from './metadata.ts';

export interface Architecture {
  /** Value of general.architecture in GGUF files. */
  readonly name: string;
  /** Undefined if models of this architecture come only as GGUF. */
  readonly huggingFace?: HuggingFaceNames;
  /** Undefined if new models of this architecture cannot be created. */
  readonly fresh?: FreshRules;
  /** Builds the graph with outputs 'logits' [R, V] and 'hidden' [R, D] (after the last norm). */
  build(model: ModelBuilder): void;
}

/** Translates Hugging Face folders to GGUF names and keys, which `build` uses. */
export interface HuggingFaceNames {
  /** config.json's model_type values. */
  readonly modelTypes: readonly string[];
  /** config.json → the GGUF keys that `build` reads. */
  metadata(config: HuggingFaceConfig): Map<string, unknown>;
  /** GGUF tensor name → candidate names in the folder, and true if the matrix is stored transposed, [inputs, outputs]. */
  tensor(name: string): { readonly names: readonly string[]; readonly transposed?: boolean };
  /** True for queries and keys whose rows GGUF stores in the 'interleaved' rotary layout. */
  isInterleavedInGguf?(name: string): boolean;
}

/** Tensors and metadata of a new model. */
export interface FreshRules {
  /** Metadata keys after the architecture's prefix, in addition to the sizes that all decoders have. */
  metadata(sizes: FreshSizes): Readonly<Record<string, number>>;
  /** Tensors outside the blocks, except `output.weight`. */
  readonly ends: readonly string[];
  /** Tensors of a block, e.g. 'attn_qkv.weight'. */
  readonly block: readonly string[];
  /** True if biases are optional. A model without biases keeps them at zero. */
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
  /** Context length. */
  readonly context: number;
  /** Tied embedding: the output layer uses the weights of the embedding. */
  readonly tied: boolean;
  readonly normEpsilon: number;
  readonly ropeBase: number;
}

/** Unchecked fields of config.json. Each field is checked where it is read. */
export type HuggingFaceConfig = Readonly<Record<string, unknown>>;

/** Format and size of a tensor for `build`. A vector is one row. */
export interface TensorShape {
  readonly format: BlockFormat;
  readonly rows: number;
  readonly columns: number;
}

/** Additions to the graph that are not in the model's files. */
export interface ModelParts {
  /** Dropout rate of embeddings and residual branches. The graph then has an input {@link DROPOUT_SEED}. */
  readonly dropout?: number;
  /** Low-rank factors (LoRA) by the name of the matrix: y = W·x + scale · B·(A·x). Hu et al. 2021. */
  readonly factors?: ReadonlyMap<string, Factors>;
}

export interface Factors {
  readonly rank: number;
  readonly scale: number;
}

/** Name of the input [1, 1] with the seed of dropout. A negative seed disables dropout. */
export const DROPOUT_SEED = 'dropout';

const F32 = formatByName('F32');

/** Names of the factors A [rank, inputs] and B [outputs, rank] of a matrix, as in GGUF adapters. */
export const factorNames = (tensor: string) => ({ a: `${tensor}.lora_a`, b: `${tensor}.lora_b` });

export interface ModelBuilderOptions {
  readonly graph: Graph;
  readonly metadata: Metadata;
  /** Finds a tensor by its GGUF name. Rows and columns are the expected sizes, if known. */
  readonly tensors: (name: string, rows?: number, columns?: number) => TensorShape | undefined;
  readonly fromHuggingFace: boolean;
  readonly context: number;
  readonly parts?: ModelParts;
}

/** Context of `build`: metadata, tensors and options. */
export class ModelBuilder {
  readonly graph: Graph;
  readonly metadata: Metadata;
  /** GGUF permutes the rows of Llama's queries and keys to the 'interleaved' rotary layout. Hugging Face folders do not. */
  readonly fromHuggingFace: boolean;
  /** Context length of sessions. It selects LongRoPE's table. */
  readonly context: number;
  readonly #tensors: ModelBuilderOptions['tensors'];
  readonly #parts: ModelParts;
  readonly #weights = new Map<string, Value<WeightAttributes>>();
  #dropoutSeed: Value | undefined;
  #dropouts = 0;

  constructor({ graph, metadata, tensors, fromHuggingFace, context, parts = {} }: ModelBuilderOptions) {
    this.graph = graph;
    this.metadata = metadata;
    this.fromHuggingFace = fromHuggingFace;
    this.context = context;
    this.#tensors = tensors;
    this.#parts = parts;
  }

  has(name: string): boolean {
    return this.#tensors(name) !== undefined;
  }

  /** Adds the weight with a GGUF name. @throws {FormatError} if it is missing or has another shape */
  weight(name: string, rows?: number, columns?: number): Value<WeightAttributes> {
    const value = this.optional(name, rows, columns);
    if (!value) throw new FormatError(this.metadata.file, `tensor ${name} is missing`, { tensor: name });
    return value;
  }

  /** Adds a weight, or returns undefined if the model does not have it. */
  optional(name: string, rows?: number, columns?: number): Value<WeightAttributes> | undefined {
    const known = this.#weights.get(name);
    if (known) return known;
    const tensor = this.#tensors(name, rows, columns);
    if (!tensor) return undefined;
    if ((rows !== undefined && tensor.rows !== rows) || (columns !== undefined && tensor.columns !== columns)) {
      const expected = `[${rows ?? tensor.rows}, ${columns ?? tensor.columns}]`;
      const found = `[${tensor.rows}, ${tensor.columns}]`;
      const problem = `tensor ${name} has shape ${found}, expected ${expected}`;
      throw new FormatError(this.metadata.file, problem, { tensor: name, expected, found });
    }
    const value = weight(this.graph, name, tensor.format, tensor.rows, tensor.columns);
    this.#weights.set(name, value);
    return value;
  }

  /** Adds the low-rank factors A and B of a matrix, if it has any. */
  factors(
    matrix: Value<WeightAttributes>,
  ): { readonly a: Value; readonly b: Value; readonly scale: number } | undefined {
    const { tensor } = matrix.attributes;
    const factors = this.#parts.factors?.get(tensor);
    if (!factors) return undefined;
    const { rank, scale } = factors;
    const names = factorNames(tensor);
    const a = weight(this.graph, names.a, F32, rank, matrix.shape[1]);
    return { a, b: weight(this.graph, names.b, F32, Number(matrix.shape[0]), rank), scale };
  }

  /** Applies dropout, if enabled, to embeddings and residual branches. */
  dropped(x: Value): Value {
    const { dropout: rate = 0 } = this.#parts;
    if (rate === 0) return x;
    this.#dropoutSeed ??= input(this.graph, DROPOUT_SEED, 1, 1, 'i32');
    return dropout(x, this.#dropoutSeed, { rate, salt: this.#dropouts++ }, `${x.label}.dropout`);
  }
}
