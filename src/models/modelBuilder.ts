/** What an architecture's `build` works with: the graph, the metadata, and the weights by their GGUF names. */
import { FormatError } from '../core/errors.ts';
import type { Graph, Value, WeightAttributes } from '../graph/graph.ts';
import { dropout } from '../graph/ops/dropout.ts';
import { input } from '../graph/ops/input.ts';
import { weight } from '../graph/ops/weight.ts';
import type { BlockFormat } from '../tensor/blockFormat.ts';
import { formatByName } from '../tensor/formats.ts';
import type { Metadata } from './metadata.ts';

/** A tensor as `build` sees it. A vector is one row. */
export interface TensorShape {
  readonly format: BlockFormat;
  readonly rows: number;
  readonly columns: number;
  /** Its name in the user's file, for error messages. */
  readonly name: string;
}

/** What a graph gets besides what the model's files say. */
export interface ModelParts {
  /** Share of embeddings and residual branches that is dropped; the graph then has an input {@link DROPOUT_SEED}. */
  readonly dropout?: number;
  /** Low-rank factors beside matrices, by the matrices' names: y = W·x + scale · B·(A·x). Hu et al. 2021. */
  readonly factors?: ReadonlyMap<string, Factors>;
}

export interface Factors {
  readonly rank: number;
  readonly scale: number;
}

/** Name of the input [1, 1] with the seed of the dropout; negative: nothing is dropped. */
export const DROPOUT_SEED = 'dropout';

const F32 = formatByName('F32');

/** Names of the factors A [rank, inputs] and B [outputs, rank] beside a matrix, as GGUF adapters have them. */
export const factorNames = (tensor: string) => ({ a: `${tensor}.lora_a`, b: `${tensor}.lora_b` });

/** Whether a model has a tensor: it must, it must not, or both are fine. */
export type Presence = boolean | 'optional';

/** What a folder's config says of a model's biases; otherwise what the architecture says. */
export function presenceOf({ metadata }: ModelBuilder, key: string, otherwise: Presence = 'optional'): Presence {
  return metadata.has(key) ? metadata.flag(key, false) : otherwise;
}

export interface ModelBuilderOptions {
  readonly graph: Graph;
  readonly metadata: Metadata;
  /** The tensor of a GGUF name, if the model has it; rows and columns are the expected shape. */
  readonly tensors: (name: string, rows?: number, columns?: number) => TensorShape | undefined;
  /** How the user's file calls the tensor of a GGUF name. */
  readonly nameInFile?: (name: string) => string;
  readonly fromFolder: boolean;
  readonly context: number;
  readonly parts?: ModelParts;
}

export class ModelBuilder {
  readonly graph: Graph;
  readonly metadata: Metadata;
  /** True if the model comes from a Hugging Face folder, whose queries and keys have the 'half' rotary layout. */
  readonly fromFolder: boolean;
  /** Positions that a session may hold; chooses between LongRoPE's tables. */
  readonly context: number;
  /** Weights that no file holds, by name: all their elements have this value. */
  readonly filled = new Map<string, number>();
  readonly #tensors: ModelBuilderOptions['tensors'];
  readonly #nameInFile: (name: string) => string;
  readonly #parts: ModelParts;
  readonly #weights = new Map<string, Value<WeightAttributes>>();
  #dropoutSeed: Value | undefined;
  #dropouts = 0;

  constructor(options: ModelBuilderOptions) {
    this.graph = options.graph;
    this.metadata = options.metadata;
    this.fromFolder = options.fromFolder;
    this.context = options.context;
    this.#tensors = options.tensors;
    this.#nameInFile = options.nameInFile ?? ((name) => name);
    this.#parts = options.parts ?? {};
  }

  has(name: string): boolean {
    return this.#tensors(name) !== undefined;
  }

  /** GGUF names of the weights that were asked for. */
  weightNames(): string[] {
    return [...this.#weights.keys()].filter((name) => !this.filled.has(name));
  }

  /** The shape of a tensor, if the model has it. */
  shapeOf(name: string): TensorShape | undefined {
    return this.#tensors(name);
  }

  /** The weight of a GGUF name. @throws {FormatError} if it is missing or has another shape */
  weight(name: string, rows?: number, columns?: number): Value<WeightAttributes> {
    const value = this.optional(name, rows, columns);
    if (value) return value;
    const inFile = this.#nameInFile(name);
    throw new FormatError(this.metadata.file, `tensor ${inFile} is missing`, { tensor: inFile });
  }

  /** The weight, or undefined if the model has none or must have none. */
  maybe(presence: Presence, name: string, rows?: number, columns?: number): Value<WeightAttributes> | undefined {
    if (presence === true) return this.weight(name, rows, columns);
    return presence === 'optional' ? this.optional(name, rows, columns) : undefined;
  }

  /** The weight, or undefined if the model has none. */
  optional(name: string, rows?: number, columns?: number): Value<WeightAttributes> | undefined {
    const known = this.#weights.get(name);
    if (known) return known;
    const tensor = this.#tensors(name, rows, columns);
    if (!tensor) return undefined;
    if ((rows !== undefined && tensor.rows !== rows) || (columns !== undefined && tensor.columns !== columns)) {
      const expected = `[${rows ?? tensor.rows}, ${columns ?? tensor.columns}]`;
      const found = `[${tensor.rows}, ${tensor.columns}]`;
      const problem = `tensor ${tensor.name} has shape ${found}, expected ${expected} by its configuration`;
      throw new FormatError(this.metadata.file, problem, { tensor: tensor.name, expected, found });
    }
    const value = weight(this.graph, name, tensor.format, tensor.rows, tensor.columns);
    this.#weights.set(name, value);
    return value;
  }

  /** A vector [1, width] of one value that no file holds: the gain of a norm without gain, or the bias of one without bias. */
  constantVector(value: number, width: number): Value<WeightAttributes> {
    const name = `constant.${value}.${width}`;
    const known = this.#weights.get(name);
    if (known) return known;
    const made = weight(this.graph, name, F32, 1, width);
    this.#weights.set(name, made);
    this.filled.set(name, value);
    return made;
  }

  /** The weights A and B beside a matrix, if it has low-rank factors. */
  factors(
    matrix: Value<WeightAttributes>,
  ): { readonly a: Value; readonly b: Value; readonly scale: number } | undefined {
    const { tensor } = matrix.attributes;
    const factors = this.#parts.factors?.get(tensor);
    if (!factors) return undefined;
    const { rank, scale } = factors;
    const names = factorNames(tensor);
    this.filled.set(names.a, 0);
    this.filled.set(names.b, 0);
    const a = weight(this.graph, names.a, F32, rank, matrix.shape[1]);
    return { a, b: weight(this.graph, names.b, F32, Number(matrix.shape[0]), rank), scale };
  }

  /** Drops a share of a value if training asks for it: for embeddings and residual branches. */
  dropped(x: Value): Value {
    const { dropout: rate = 0 } = this.#parts;
    if (rate === 0) return x;
    this.#dropoutSeed ??= input(this.graph, DROPOUT_SEED, 1, 1, 'i32');
    return dropout(x, this.#dropoutSeed, { rate, salt: this.#dropouts++ }, `${x.label}.dropout`);
  }
}
