/** The context of an architecture's `build`: graph, metadata, and weights by GGUF name. */
import { FormatError } from '../core/errors.ts';
import type { Graph, Value, WeightAttributes } from '../graph/graph.ts';
import { dropout } from '../graph/ops/dropout.ts';
import { embed } from '../graph/ops/embed.ts';
import { gain } from '../graph/ops/gain.ts';
import { input } from '../graph/ops/input.ts';
import { storedRows } from '../graph/ops/storedRows.ts';
import { tokens } from '../graph/ops/tokens.ts';
import { weight } from '../graph/ops/weight.ts';
import type { BlockFormat } from '../tensor/blockFormat.ts';
import { formatByName } from '../tensor/formats.ts';
import type { ExitPart } from './exitPart.ts';
import type { Metadata } from './metadata.ts';

/** Shape of a tensor for `build`. A vector is one row. */
export interface TensorShape {
  readonly format: BlockFormat;
  readonly rows: number;
  readonly columns: number;
  /** Name in the user's file, for error messages. */
  readonly name: string;
}

/** Additions to the graph that are not in the model's files. */
export interface ModelParts {
  /** Dropout probability for embeddings and residual branches. The graph then has an input {@link DROPOUT_SEED}. */
  readonly dropout?: number;
  /** Low-rank factors beside matrices, by the matrices' names: y = W·x + scale · B·(A·x). Hu et al. 2021. */
  readonly factors?: ReadonlyMap<string, Factors>;
  /** Multiplies the neurons of feed-forward parts with the weight {@link NEURON_MASK}, by which training makes them narrower. */
  readonly hasNeuronMask?: boolean;
  /** An early exit, for decoders. The graph then has an output `EXIT_OUTPUT`. */
  readonly exit?: ExitPart;
  /** Tensors that are not loaded; the rows that a step needs are inputs of the graph, see `storedRows`. */
  readonly stored?: ReadonlySet<string>;
}

export interface Factors {
  readonly rank: number;
  readonly scale: number;
}

/** Name of the input [1, 1] with the seed of the dropout. A negative seed disables dropout. */
export const DROPOUT_SEED = 'dropout';

/** Name of the weight [1, neurons] that training sets to 1 for the neurons that take part, to 0 for the others. */
export const NEURON_MASK = 'neurons.mask';

const F32 = formatByName('F32');

/** Names of the factors A [rank, inputs] and B [outputs, rank] beside a matrix, as GGUF adapters have them. */
export const factorNames = (tensor: string) => ({ a: `${tensor}.lora_a`, b: `${tensor}.lora_b` });

/** Presence of a tensor: required, forbidden, or optional. */
export type Presence = boolean | 'optional';

/** Presence of biases from a folder's config, otherwise from the architecture. */
export function presenceOf({ metadata }: ModelBuilder, key: string, otherwise: Presence = 'optional'): Presence {
  return metadata.has(key) ? metadata.flag(key, false) : otherwise;
}

export interface ModelBuilderOptions {
  readonly graph: Graph;
  readonly metadata: Metadata;
  /** The tensor of a GGUF name, if the model has it; rows and columns are the expected shape. */
  readonly tensors: (name: string, rows?: number, columns?: number) => TensorShape | undefined;
  /** Returns the name in the user's file of a tensor with this GGUF name. */
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
  /** Constant weights that are not in the file: name → value of all elements. */
  readonly filled = new Map<string, number>();
  readonly #tensors: ModelBuilderOptions['tensors'];
  readonly #nameInFile: (name: string) => string;
  readonly #parts: ModelParts;
  readonly #weights = new Map<string, Value<WeightAttributes>>();
  #dropoutSeed: Value | undefined;
  #dropouts = 0;
  #rename: (name: string) => string = (name) => name;

  constructor(options: ModelBuilderOptions) {
    this.graph = options.graph;
    this.metadata = options.metadata;
    this.fromFolder = options.fromFolder;
    this.context = options.context;
    this.#tensors = options.tensors;
    this.#nameInFile = options.nameInFile ?? ((name) => name);
    this.#parts = options.parts ?? {};
  }

  get exit(): ExitPart | undefined {
    return this.#parts.exit;
  }

  /** Reads the weights that `build` asks for under other names, e.g. those of an exit in place of a block's. */
  renamed<T>(rename: (name: string) => string, build: () => T): T {
    const outer = this.#rename;
    this.#rename = rename;
    try {
      return build();
    } finally {
      this.#rename = outer;
    }
  }

  has(name: string): boolean {
    return this.#tensors(this.#rename(name)) !== undefined;
  }

  /** GGUF names of the weights that were read. */
  weightNames(): string[] {
    return [...this.#weights.keys()].filter((name) => !this.filled.has(name));
  }

  /** The shape of a tensor, if the model has it. */
  shapeOf(name: string): TensorShape | undefined {
    return this.#tensors(this.#rename(name));
  }

  /** The weight of a GGUF name. @throws {FormatError} if it is missing or has another shape */
  weight(name: string, rows?: number, columns?: number): Value<WeightAttributes> {
    const value = this.optional(name, rows, columns);
    if (value) return value;
    const inFile = this.#nameInFile(this.#rename(name));
    throw new FormatError(this.metadata.file, `tensor ${inFile} is missing`, { tensor: inFile });
  }

  /** The weight, or undefined if the model has none or must have none. */
  maybe(presence: Presence, name: string, rows?: number, columns?: number): Value<WeightAttributes> | undefined {
    if (presence === true) return this.weight(name, rows, columns);
    return presence === 'optional' ? this.optional(name, rows, columns) : undefined;
  }

  /** The weight, or undefined if the model has none. */
  optional(wanted: string, rows?: number, columns?: number): Value<WeightAttributes> | undefined {
    const name = this.#rename(wanted);
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

  /** Rows of a table for the tokens of the step, [T, columns]. @throws {FormatError} if the table is missing or has another width */
  rowsOfTokens(name: string, columns: number, label: string): Value {
    const table = this.weight(name, undefined, columns);
    if (this.#parts.stored?.has(table.attributes.tensor)) return storedRows(table, label);
    return embed(table, tokens(this.graph), label);
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

  /** Masks the neurons of a feed-forward part, for training of nested widths. */
  masked(y: Value): Value {
    if (!this.#parts.hasNeuronMask) return y;
    const known = this.#weights.get(NEURON_MASK);
    const mask = known ?? weight(this.graph, NEURON_MASK, F32, 1, y.shape[1]);
    this.#weights.set(NEURON_MASK, mask);
    this.filled.set(NEURON_MASK, 1);
    return gain(y, mask, `${y.label}.masked`);
  }

  /** Adds dropout for training to a value, an embedding or residual branch. */
  dropped(x: Value): Value {
    const { dropout: rate = 0 } = this.#parts;
    if (rate === 0) return x;
    this.#dropoutSeed ??= input(this.graph, DROPOUT_SEED, 1, 1, 'i32');
    return dropout(x, this.#dropoutSeed, { rate, salt: this.#dropouts++ }, `${x.label}.dropout`);
  }
}
