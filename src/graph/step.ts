/** A step of a program: its inputs, its results, and the checks that all backends share. */
import { OptionError } from '../core/errors.ts';
import type { ChoiceRule } from '../sampling/chooseToken.ts';
import type { Graph, Registers } from './graph.ts';
import type { InputValues } from './ops/input.ts';

/** KV cache of one sequence, or of several sequences at the same position. */
export interface Cache {
  /** Positions per sequence. */
  readonly context: number;
  readonly sequences: number;
  readonly bytes: number;
  /** Copies the first `positions` positions of another cache of the same program. */
  copyFrom(other: Cache, positions: number): Promise<void>;
  free(): void;
}

/** A token chosen by an earlier step of the same program. `row` is an index into its choices. */
export interface ChosenToken {
  readonly from: StepResult;
  readonly row: number;
}

/** Lets a step choose a token for each selected row, so that the logits need not be copied. */
export interface Choosing {
  /** Output with the logits, [R, V]. */
  readonly output: string;
  /** One rule per selected row. */
  readonly rules: readonly ChoiceRule[];
}

export interface Step {
  /**
   * Cache that the tokens continue: the same number of tokens for each of its sequences, concatenated. Without a cache,
   * the tokens are a batch of sequences that start at position 0.
   */
  readonly cache?: Cache;
  /** 1 … maxTokens ids, or tokens chosen by earlier steps. */
  readonly tokens: ArrayLike<number | ChosenToken>;
  /** Position of the first token: the number of positions of the cache to use. Default 0. */
  readonly position?: number;
  /** Without a cache: tokens per sequence. Default: one sequence with all tokens. */
  readonly sequence?: number;
  /** Selected rows: indices into `tokens` whose outputs are computed, ascending, at most maxRows. */
  readonly rows: ArrayLike<number>;
  /**
   * Names of the outputs to compute. Default: all. An empty list only fills the cache. Nodes that change
   * weights or states run if a requested output depends on them; a graph adds them after all outputs that do not.
   */
  readonly outputs?: readonly string[];
  /** Inputs by name: all inputs that the requested outputs depend on. */
  readonly inputs?: Readonly<Record<string, InputValues>>;
  readonly choose?: Choosing;
  /** Maximum threads of this step. Default: chosen by the backend. */
  readonly threads?: number;
}

/** Result of a step. Later steps do not change it. */
export interface StepResult {
  /** Resolves when the step has run; rejects if the device failed. */
  finished(): Promise<void>;
  /** Returns an output, [rows, width] in row order; the same array each time. @throws {OptionError} if it was not requested */
  output(name: string): Promise<Float32Array>;
  /** Returns the chosen tokens by selected row. @throws {OptionError} if the step had no `choose` */
  choices(): Promise<Int32Array>;
  /** Optional: declares that the result will not be read any more, so that the backend can discard it. */
  release(): void;
}

/** @throws {OptionError} if position or sequences do not fit the tokens and the cache */
export function stepRegisters({ cache, tokens, position = 0, sequence, rows }: Step): Registers {
  const T = tokens.length;
  if (cache && sequence !== undefined)
    throw new OptionError('sequence', sequence, 'no value, because the cache defines the sequences');
  if (cache && T % cache.sequences !== 0)
    throw new OptionError('tokens', T, `the same number for each of the cache's ${cache.sequences} sequences`);
  if (!cache && position !== 0) throw new OptionError('position', position, '0, because the step has no cache');
  const S = sequence ?? (cache ? T / cache.sequences : T);
  if (!(S >= 1 && T % S === 0)) throw new OptionError('sequence', S, `a divisor of the step's ${T} tokens`);
  return { T, P: position, R: rows.length, S };
}

/** Limits that every backend checks. */
interface StepLimits {
  readonly graph: Graph;
  readonly maxTokens: number;
  readonly maxRows: number;
}

/**
 * Checks a step before anything is changed.
 * @returns its registers, and the names of the requested outputs
 * @throws {OptionError} for too many tokens or rows, an unknown output, or a wrong number of rules
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
      throw new OptionError('choose.rules', choose.rules.length, `${rows.length}, one per selected row`);
  }
  if (threads !== undefined && !(Number.isInteger(threads) && threads >= 1))
    throw new OptionError('threads', threads, 'a whole number of at least 1');
  return { registers: stepRegisters(step), outputs };
}

function checkOutput(graph: Graph, name: string): void {
  if (!graph.outputs.has(name)) throw new OptionError('output', name, `one of ${[...graph.outputs.keys()].join(', ')}`);
}
