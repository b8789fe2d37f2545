/** What a model architecture answers for: one file each says its tensors' names and how its graph is put together. */
import { FormatError } from '../core/errors.ts';
import type { Graph, Value } from '../graph/graph.ts';
import { weight } from '../graph/ops/weight.ts';
import type { BlockFormat } from '../tensor/blockFormat.ts';
import type { Metadata } from './metadata.ts';

export interface Architecture {
  /** GGUF's general.architecture. */
  readonly name: string;
  /** Absent where a model of this kind comes only as GGUF. */
  readonly huggingFace?: HuggingFaceNames;
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
}

/** config.json's fields, unchecked; what is read of them is checked where it is read. */
export type HuggingFaceConfig = Readonly<Record<string, unknown>>;

/** A tensor as `build` sees it: its format and size, vectors being one row. */
export interface TensorShape {
  readonly format: BlockFormat;
  readonly rows: number;
  readonly columns: number;
}

/** What `build` works with. */
export class ModelBuilder {
  readonly graph: Graph;
  readonly metadata: Metadata;
  /** GGUF's llama has the rows of queries and keys permuted to the 'interleaved' rotary layout, Hugging Face folders not. */
  readonly fromHuggingFace: boolean;
  /** Positions that a session may hold; chooses between LongRoPE's tables. */
  readonly context: number;
  readonly #tensors: (name: string) => TensorShape | undefined;
  readonly #weights = new Map<string, Value>();

  constructor(
    graph: Graph,
    metadata: Metadata,
    tensors: (name: string) => TensorShape | undefined,
    fromHuggingFace: boolean,
    context: number,
  ) {
    this.graph = graph;
    this.metadata = metadata;
    this.fromHuggingFace = fromHuggingFace;
    this.context = context;
    this.#tensors = tensors;
  }

  has(name: string): boolean {
    return this.#tensors(name) !== undefined;
  }

  /** The weight of that GGUF name. @throws {FormatError} where it is missing or not of the shape given */
  weight(name: string, rows?: number, columns?: number): Value {
    const value = this.optional(name, rows, columns);
    if (!value) throw new FormatError(this.metadata.file, `tensor ${name} is missing`, { tensor: name });
    return value;
  }

  /** The same, or undefined where the model has none. */
  optional(name: string, rows?: number, columns?: number): Value | undefined {
    const known = this.#weights.get(name);
    if (known) return known;
    const tensor = this.#tensors(name);
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
}
