/** A small graph with random weights that are held in memory, made by a case. */
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

/** Ids that steps are made of: rows of the tables that stand for a step's input. */
export const VOCABULARY = 64;

/** Gives one element of a step's input. */
export type Draw = (row: number, column: number) => number;

export class TestGraph {
  readonly graph = new Graph();
  readonly random: Random;
  readonly store: WeightStore;
  readonly tokens: Value;
  /** Weights and states that steps change: their names. */
  readonly changing: string[] = [];
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

  /** A weight of the format's own bytes. */
  stored(format: BlockFormat, rows: number, columns: number, bytes: Uint8Array): Value {
    const tensor = `weight ${this.#bytes.size}`;
    this.#bytes.set(tensor, bytes);
    return weight(this.graph, tensor, format, rows, columns);
  }

  /** A weight of random blocks: every bit pattern that a file may hold, not only those that an encoder writes. */
  blocks(format: BlockFormat, rows: number, columns: number): Value {
    const bytes = new Uint8Array(bytesOf(format, rows * columns));
    for (let at = 0; at < bytes.length; at += format.blockBytes) writeRandomBlock(format, bytes, at, this.random);
    return this.stored(format, rows, columns, bytes);
  }

  /** An F32 weight. @param value gives each element, in row order; default: standard normal */
  floats(rows: number, columns: number, value: (row: number, column: number) => number = this.random.normal): Value {
    const values = Float32Array.from({ length: rows * columns }, (_, i) => value(Math.floor(i / columns), i % columns));
    return this.stored(formatByName('F32'), rows, columns, new Uint8Array(values.buffer));
  }

  /** A table's rows by token, [T, width]. */
  embedded(table: Value): Value {
    return embed(table, this.tokens);
  }

  /** Random rows by token, [T, width]. @param deviation of their elements */
  rows(width: number, deviation = 1): Value {
    return this.embedded(this.floats(VOCABULARY, width, () => deviation * this.random.normal()));
  }

  /**
   * Rows by token, [T, width], that an integer form of activations holds exactly: per 32 columns whole multiples of a
   * power of two, the greatest magnitude being `most` of them.
   */
  wholeRows(width: number, most: number): Value {
    const table = new Float32Array(VOCABULARY * width);
    for (let from = 0; from < table.length; from += 32) {
      const block = Array.from({ length: 32 }, this.random.normal);
      const peak = Math.max(...block.map(Math.abs));
      const unit = 2 ** (this.random.integer(8) - 4) / 2 ** Math.ceil(Math.log2(most));
      for (let i = 0; i < 32; i++) table[from + i] = unit * Math.round((block[i]! / peak) * most);
    }
    return this.embedded(this.floats(VOCABULARY, width, (row, column) => table[row * width + column]!));
  }

  /** Numbers that come with every step. @param value gives each element, in row order; default: standard normal */
  input(rows: Dim, width: number, kind: InputKind = 'f32', value: Draw = this.random.normal): Value {
    const node = input(this.graph, `input ${this.#inputs.length}`, rows, width, kind);
    this.#inputs.push({ node, kind, value });
    return node;
  }

  /** Draws what a step gives for the inputs. */
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

  /** A state, whose numbers after every step are compared too. */
  state(rows: number, columns: number): Value {
    const name = `state ${this.changing.length}`;
    this.changing.push(name);
    return state(this.graph, name, rows, columns);
  }

  /** Makes all rows of a value an output, also those that the step does not want. */
  rowsOutput(name: string, value: Value): void {
    this.graph.outputs.set(name, value);
  }

  /** Makes a value an output; of a value with rows of tokens those that the step wants. */
  output(name: string, value: Value): void {
    this.graph.outputs.set(name, value.shape[0] === 'T' ? selectRows(value) : value);
  }
}
