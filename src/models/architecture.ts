/** What a model architecture answers for: one file each says its tensors' names and how its graph is put together. */
import { FormatError } from '../core/errors.ts';
import type { Graph, Value, WeightAttributes } from '../graph/graph.ts';
import { dropout } from '../graph/ops/dropout.ts';
import { input } from '../graph/ops/input.ts';
import { weight } from '../graph/ops/weight.ts';
import type { BlockFormat } from '../tensor/blockFormat.ts';
import { formatByName } from '../tensor/formats.ts';
import type { Metadata } from './metadata.ts';

export interface Architecture {
  /** GGUF's general.architecture. */
  readonly name: string;
  /** Absent where a model of this kind comes only as GGUF. */
  readonly huggingFace?: HuggingFaceNames;
  /** Absent where a model of this kind can be run and learned on, but not begun. */
  readonly fresh?: FreshRules;
  /** Builds the graph with outputs 'logits' [R, V] and 'hidden' [R, D] (after the last norm). */
  build(model: ModelBuilder): void;
}

/** How a Hugging Face folder of the architecture reads in GGUF's terms, the one vocabulary that `build` uses. */
export interface HuggingFaceNames {
  /** config.json's model_type values. */
  readonly modelTypes: readonly string[];
  /** config.json → the GGUF keys that `build` reads. */
  metadata(config: HuggingFaceConfig): Map<string, unknown>;
  /** GGUF tensor name → candidates in the folder, and whether a matrix is stored [inputs, outputs] there. */
  tensor(name: string): { readonly names: readonly string[]; readonly transposed?: boolean };
  /** Whether a tensor's rows are queries or keys that GGUF has in the other rotary layout, 'interleaved'. */
  isInterleavedInGguf?(name: string): boolean;
}

/** What a new model of an architecture is made of. */
export interface FreshRules {
  /** Keys behind the architecture's name, beside the sizes that all decoders have. */
  metadata(sizes: FreshSizes): Readonly<Record<string, number>>;
  /** Its tensors beside the blocks, `output.weight` aside. */
  readonly ends: readonly string[];
  /** Tensors of a block, such as 'attn_qkv.weight'. */
  readonly block: readonly string[];
  /** Whether its biases may as well stay zero, which is as if there were none. */
  readonly biasesAreOpen?: boolean;
}

/** Of a new model. */
export interface FreshSizes {
  readonly layers: number;
  readonly width: number;
  readonly heads: number;
  readonly kvHeads: number;
  readonly headSize: number;
  readonly ffn: number;
  readonly vocabulary: number;
  /** Positions that it is made for. */
  readonly context: number;
  /** Whether the output takes the weights of the embedding. */
  readonly tied: boolean;
  readonly normEpsilon: number;
  readonly ropeBase: number;
}

/** config.json's fields, unchecked; what is read of them is checked where it is read. */
export type HuggingFaceConfig = Readonly<Record<string, unknown>>;

/** A tensor as `build` sees it: its format and size, vectors being one row. */
export interface TensorShape {
  readonly format: BlockFormat;
  readonly rows: number;
  readonly columns: number;
}

/** What a graph gets beside what the model's files say. */
export interface ModelParts {
  /** Share of embeddings and residual branches that is dropped; the graph then has an input {@link DROPOUT_SEED}. */
  readonly dropout?: number;
  /** Low-rank factors beside matrices, by these weights' names: y = W·x + scale · B·(A·x). Hu et al. 2021. */
  readonly factors?: ReadonlyMap<string, Factors>;
}

export interface Factors {
  readonly rank: number;
  readonly scale: number;
}

/** Name of the input [1, 1] that says what is dropped; negative: nothing. */
export const DROPOUT_SEED = 'dropout';

const F32 = formatByName('F32');

/** Names of the factors A [rank, inputs] and B [outputs, rank] beside a matrix, as GGUF adapters have them. */
export const factorNames = (tensor: string) => ({ a: `${tensor}.lora_a`, b: `${tensor}.lora_b` });

export interface ModelBuilderOptions {
  readonly graph: Graph;
  readonly metadata: Metadata;
  /** The tensor of a GGUF name; rows and columns are what is expected of it, where that is known. */
  readonly tensors: (name: string, rows?: number, columns?: number) => TensorShape | undefined;
  readonly fromHuggingFace: boolean;
  readonly context: number;
  readonly parts?: ModelParts;
}

/** What `build` works with. */
export class ModelBuilder {
  readonly graph: Graph;
  readonly metadata: Metadata;
  /** GGUF's llama has the rows of queries and keys permuted to the 'interleaved' rotary layout, Hugging Face folders not. */
  readonly fromHuggingFace: boolean;
  /** Positions that a session may hold; chooses between LongRoPE's tables. */
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

  /** The weight of that GGUF name. @throws {FormatError} where it is missing or not of the shape given */
  weight(name: string, rows?: number, columns?: number): Value<WeightAttributes> {
    const value = this.optional(name, rows, columns);
    if (!value) throw new FormatError(this.metadata.file, `tensor ${name} is missing`, { tensor: name });
    return value;
  }

  /** The same, or undefined where the model has none. */
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

  /** The weights A and B beside a matrix, where it has low-rank factors. */
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

  /** The value, with a share of it dropped where that is asked for: for embeddings and residual branches. */
  dropped(x: Value): Value {
    const { dropout: rate = 0 } = this.#parts;
    if (rate === 0) return x;
    this.#dropoutSeed ??= input(this.graph, DROPOUT_SEED, 1, 1, 'i32');
    return dropout(x, this.#dropoutSeed, { rate, salt: this.#dropouts++ }, `${x.label}.dropout`);
  }
}
