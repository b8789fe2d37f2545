/** A small graph with random weights in memory, built by a case. */
import { type Random, seededRandom } from '../../src/core/random.ts';
import { type Dim, Graph, type Registers, rowsOf, type Value } from '../../src/graph/graph.ts';
import { embed } from '../../src/graph/ops/embed.ts';
import { type InputKind, type InputValues, input } from '../../src/graph/ops/input.ts';
import { selectRows } from '../../src/graph/ops/selectRows.ts';
import { state } from '../../src/graph/ops/state.ts';
import { tokens } from '../../src/graph/ops/tokens.ts';
import { weight } from '../../src/graph/ops/weight.ts';
import type { WeightStore } from '../../src/graph/program.ts';
import { type BlockFormat, bytesOf } from '../../src/tensor/blockFormat.ts';
import { formatByName } from '../../src/tensor/formats.ts';
import { writeRandomBlock } from './randomBlocks.ts';

/** Number of token ids: rows of the tables that provide a step's values. */
export const VOCABULARY = 64;

/** Returns one element. */
export type Draw = (row: number, column: number) => number;

/** A value, and the F32 weights to differentiate it with respect to. */
export interface Differentiable {
  readonly y: Value;
  readonly of: readonly Value[];
}

export class TestGraph {
  readonly graph = new Graph();
  readonly random: Random;
  readonly store: WeightStore;
  readonly tokens: Value;
  /** Names of weights and states that steps change. */
  readonly changing: string[] = [];
  /** What finite differences check, if the case can be differentiated. */
  differentiable: Differentiable | undefined;
  readonly #bytes = new Map<string, Uint8Array>();
  readonly #inputs: { readonly node: Value; readonly kind: InputKind; readonly value: Draw }[] = [];

  constructor(seed: number) {
    this.random = seededRandom(seed);
    this.tokens = tokens(this.graph);
    this.store = {
      readRows: async ({ attributes, shape }, from, into) => {
        const rowBytes = bytesOf(attributes.format, shape[1]);
        into.set(this.#bytes.get(attributes.tensor)!.subarray(from * rowBytes, from * rowBytes + into.length));
      },
    };
  }

  /** A weight from encoded bytes. */
  stored(format: BlockFormat, rows: number, columns: number, bytes: Uint8Array): Value {
    const tensor = `weight ${this.#bytes.size}`;
    this.#bytes.set(tensor, bytes);
    return weight(this.graph, tensor, format, rows, columns);
  }

  /** A weight of random blocks. They cover all bit patterns, not only those that an encoder writes. */
  blocks(format: BlockFormat, rows: number, columns: number): Value {
    const bytes = new Uint8Array(bytesOf(format, rows * columns));
    for (let at = 0; at < bytes.length; at += format.blockBytes) writeRandomBlock(format, bytes, at, this.random);
    return this.stored(format, rows, columns, bytes);
  }

  /** An F32 weight. @param value returns each element in row order. Default: standard normal */
  floats(rows: number, columns: number, value: (row: number, column: number) => number = this.random.normal): Value {
    const values = Float32Array.from({ length: rows * columns }, (_, i) => value(Math.floor(i / columns), i % columns));
    return this.stored(formatByName('F32'), rows, columns, new Uint8Array(values.buffer));
  }

  /** Rows of a table by token, [T, width]. */
  embedded(table: Value): Value {
    return embed(table, this.tokens);
  }

  /** Random rows by token, [T, width]. @param deviation standard deviation of the elements */
  rows(width: number, deviation = 1): Value {
    return this.embedded(this.floats(VOCABULARY, width, () => deviation * this.random.normal()));
  }

  /**
   * Rows by token, [T, width], that quantized activations represent exactly: per 32 columns integer multiples of a
   * power of two, the greatest of which is `most`.
   */
  wholeRows(width: number, most: number): Value {
    const table = new Float32Array(VOCABULARY * width);
    for (let from = 0; from < table.length; from += 32) {
      const block = Array.from({ length: 32 }, this.random.normal);
      const peak = Math.max(...block.map(Math.abs));
      const unit = 2 ** (this.random.integer(8) - 4) / 2 ** Math.ceil(Math.log2(most));
      for (let i = 0; i < 32; i++) table[from + i] = unit * Math.round((block[i] / peak) * most);
    }
    return this.embedded(this.floats(VOCABULARY, width, (row, column) => table[row * width + column]));
  }

  /** An input of every step. @param value returns each element in row order. Default: standard normal */
  input(rows: Dim, width: number, kind: InputKind = 'f32', value: Draw = this.random.normal): Value {
    const node = input(this.graph, `input ${this.#inputs.length}`, rows, width, kind);
    this.#inputs.push({ node, kind, value });
    return node;
  }

  /** Generates the inputs of a step. */
  inputs(registers: Registers): Record<string, InputValues> {
    const drawn = this.#inputs.map(({ node, kind, value }): [string, InputValues] => {
      const width = node.shape[1];
      const values = Array.from({ length: rowsOf(node.shape, registers) * width }, (_, i) =>
        value(Math.floor(i / width), i % width),
      );
      return [node.label, kind === 'i32' ? Int32Array.from(values) : Float32Array.from(values)];
    });
    return Object.fromEntries(drawn);
  }

  /** A state. Its values after every step are compared too. */
  state(rows: number, columns: number): Value {
    const name = `state ${this.changing.length}`;
    this.changing.push(name);
    return state(this.graph, name, rows, columns);
  }

  /** Adds an output with all rows of a value, including rows that the step does not select. */
  rowsOutput(name: string, value: Value): void {
    this.graph.outputs.set(name, value);
  }

  /** Adds an output. Of a value with one row per token, only the selected rows. */
  output(name: string, value: Value): void {
    this.graph.outputs.set(name, value.shape[0] === 'T' ? selectRows(value) : value);
  }
}
