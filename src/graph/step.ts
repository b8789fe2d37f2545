/** A step of a program: what it takes, what it gives, and what every backend checks of it. */
import { OptionError } from '../core/errors.ts';
import type { ChoiceRule } from '../sampling/chooseToken.ts';
import type { Graph, Registers } from './graph.ts';
import type { InputValues } from './ops/input.ts';

/** Keys and values of one sequence, or of several that continue at the same position. */
export interface Cache {
  /** Positions of each sequence. */
  readonly context: number;
  readonly sequences: number;
  readonly bytes: number;
  /** Takes over the first `positions` positions of another cache of the same program. */
  copyFrom(other: Cache, positions: number): Promise<void>;
  free(): void;
}

/** A token that an earlier step of the same program chose: `row` counts the rows that it chose for. */
export interface ChosenToken {
  readonly from: StepResult;
  readonly row: number;
}

/** Lets a step choose a token for each of its wanted rows, so that nobody has to fetch the logits. */
export interface Choosing {
  /** Output with the logits, [R, V]. */
  readonly output: string;
  /** A rule for each wanted row. */
  readonly rules: readonly ChoiceRule[];
}

export interface Step {
  /**
   * The past that the tokens continue, the same number for each of the cache's sequences, one after another; without one
   * they are a batch of sequences that begin at position 0.
   */
  readonly cache?: Cache;
  /** Ids, or what an earlier step chose: 1 … maxTokens of them. */
  readonly tokens: ArrayLike<number | ChosenToken>;
  /** Position of the first token: how many positions of the cache are the past. Default 0. */
  readonly position?: number;
  /** Without a cache: tokens of each sequence. Default: all of them, one sequence. */
  readonly sequence?: number;
  /** Indices into `tokens` of the rows whose outputs are wanted, ascending; at most maxRows. */
  readonly rows: ArrayLike<number>;
  /**
   * Names of the outputs that are wanted; default: all. With none the step only fills the cache. Nodes that change
   * weights or states do so when a wanted output depends on them; a graph has them behind all outputs that do not.
   */
  readonly outputs?: readonly string[];
  /** Numbers for the graph's input nodes by name: of all that wanted outputs depend on. */
  readonly inputs?: Readonly<Record<string, InputValues>>;
  readonly choose?: Choosing;
  /** Maximum threads of this step. Default: what the backend finds best. */
  readonly threads?: number;
}

/** What one step computed. It stays valid however many steps follow. */
export interface StepResult {
  /** Resolves when the step has run; rejects if the device failed. */
  finished(): Promise<void>;
  /** An output, [rows, width] in row order, the same array each time. @throws {OptionError} if the step was not asked for it */
  output(name: string): Promise<Float32Array>;
  /** The tokens that `choose` asked for, by wanted row. @throws {OptionError} if the step was not asked to choose */
  choices(): Promise<Int32Array>;
  /** Says that nothing more will be read of it, so that nothing need be kept beyond the next step. Optional. */
  release(): void;
}

/** @throws {OptionError} for a position or sequences that do not fit the step's tokens and cache */
export function stepRegisters({ cache, tokens, position = 0, sequence, rows }: Step): Registers {
  const T = tokens.length;
  if (cache && sequence !== undefined)
    throw new OptionError('sequence', sequence, 'nothing, as the step continues a cache, which knows its sequences');
  if (cache && T % cache.sequences !== 0)
    throw new OptionError('tokens', T, `as many for each of the cache's ${cache.sequences} sequences`);
  if (!cache && position !== 0) throw new OptionError('position', position, '0, as the step has no cache');
  const S = sequence ?? (cache ? T / cache.sequences : T);
  if (!(S >= 1 && T % S === 0)) throw new OptionError('sequence', S, `a divisor of the step's ${T} tokens`);
  return { T, P: position, R: rows.length, S };
}

/** The numbers of a step that every backend checks. */
interface StepLimits {
  readonly graph: Graph;
  readonly maxTokens: number;
  readonly maxRows: number;
}

/**
 * Checks what a step asks for, before anything is changed.
 * @returns its registers, and names of the outputs that are to be readable
 * @throws {OptionError} for too many tokens or rows, an unknown output, rules that are not one for each wanted row
 */
export function checkStep(
  { graph, maxTokens, maxRows }: StepLimits,
  step: Step,
): { readonly registers: Registers; readonly outputs: readonly string[] } {
  const { tokens, rows, outputs = [...graph.outputs.keys()], choose, threads } = step;
  if (tokens.length < 1 || tokens.length > maxTokens)
    throw new OptionError('tokens', tokens.length, `1 to ${maxTokens} in a step`);
  if (rows.length > maxRows) throw new OptionError('rows', rows.length, `at most ${maxRows} in a step`);
  for (const name of outputs) checkOutput(graph, name);
  if (choose) {
    checkOutput(graph, choose.output);
    if (choose.rules.length !== rows.length)
      throw new OptionError('choose.rules', choose.rules.length, `${rows.length}, one for each wanted row`);
  }
  if (threads !== undefined && !(Number.isInteger(threads) && threads >= 1))
    throw new OptionError('threads', threads, 'a whole number of at least 1');
  return { registers: stepRegisters(step), outputs };
}

function checkOutput(graph: Graph, name: string): void {
  if (!graph.outputs.has(name)) throw new OptionError('output', name, `one of ${[...graph.outputs.keys()].join(', ')}`);
}
