/** A step of a program: its inputs, its results, and the checks that all backends share. */
import { OptionError, UnsupportedError } from '../core/errors.ts';
import type { ChoiceRule } from '../sampling/chooseToken.ts';
import type { Graph, Registers } from './graph.ts';
import type { InputValues } from './ops/input.ts';

/** Positions of a page of keys and values. A sequence takes pages as it grows, so that it costs what it holds. */
export const PAGE_POSITIONS = 16;

/** Keys and values of `PAGE_POSITIONS` positions of one sequence, in all layers. Sequences with the same past may share it. */
export interface Page {
  readonly store: PageStore;
  /** Recurrent states of all layers after some position of this page. Undefined: the page has no room for them. */
  readonly state?: PageState;
  /**
   * Layers that are stored at each position, as sets of bits, if steps have left out layers (see `Step.until`). Undefined, as a
   * whole or at a position: all layers.
   */
  partial?: (bigint | undefined)[];
}

/**
 * Recurrent states of a sequence at one position. A step that ends in a page, or passes its end, writes the page's state; a
 * step that continues at position P reads the state of the page of position P − 1, which must be a state after P positions.
 */
export interface PageState {
  /** Number of positions before it. 0: not written yet. */
  position: number;
}

/** Allocator of a program's pages. */
export interface PageStore {
  /** Bytes of one page, without its state. */
  readonly pageBytes: number;
  /** Bytes of the recurrent states of a sequence at one position. 0: the graph has none. */
  readonly stateBytes: number;
  /** @throws {MemoryError} if there is no room for another page */
  allocate(): Page;
  /** Copies a page and its state. Steps that are submitted later see the copy. @throws {MemoryError} */
  copy(from: Page, to: Page): Promise<void>;
  /** Gives a page room for a state. Does nothing if it has it. @throws {MemoryError} */
  addState(page: Page): void;
  /** Releases the state of a page, but not the page. */
  dropState(page: Page): void;
  release(page: Page): void;
}

/** A token chosen by an earlier step of the same program. `row` is an index into its choices. */
export interface ChosenToken {
  readonly from: StepResult;
  readonly row: number;
}

/** A row that an earlier step with `until` has kept. `row` is the index of a token of that step. */
export interface KeptRow {
  readonly from: StepResult;
  readonly row: number;
}

/** Lets a step choose a token for each selected row, so that the logits need not be copied. */
export interface Choosing {
  /** Output with the logits, [R, V]. */
  readonly output: string;
  /** A rule for each wanted row; undefined: no token is chosen for it. */
  readonly rules: readonly (ChoiceRule | undefined)[];
}

export interface StepOptions {
  /** Indices of the rows whose outputs are wanted, ascending; at most maxRows. Rows are the step's tokens in their order. */
  readonly rows: ArrayLike<number>;
  /**
   * Names of the outputs that are wanted; default: all, or none with `until`. With none the step only fills pages. Nodes that change weights or
   * states do so when a wanted output depends on them; a graph has them behind all outputs that do not.
   */
  readonly outputs?: readonly string[];
  /** Inputs by name: all inputs that the requested outputs depend on. */
  readonly inputs?: Readonly<Record<string, InputValues>>;
  readonly choose?: Choosing;
  /**
   * Name of a cut of the graph, e.g. 'blk.3': the step stops after that layer and stores keys and values of the layers before.
   * Its rows are kept for a later step. Outputs may not need the layers that are left out. Not for graphs with recurrent states.
   */
  readonly until?: string;
  /** Continues at a cut with rows that earlier steps have kept there, one for each token, at the tokens' positions. */
  readonly from?: { readonly cut: string; readonly rows: readonly KeptRow[] };
  /** Maximum threads of this step. Default: chosen by the backend. */
  readonly threads?: number;
}

/** Part of a sequence in a step: tokens that continue its past. */
export interface SequencePart {
  /** Ids, or what an earlier step chose. */
  readonly tokens: ArrayLike<number | ChosenToken>;
  /** Position of the first token. */
  readonly position: number;
  /** Pages of the sequence from position 0 on, with room for the tokens. */
  readonly pages: readonly Page[];
}

/** A step that continues sequences, each at its own position. What it computes of one does not depend on the others. */
export interface CachedStep extends StepOptions {
  readonly sequences: readonly SequencePart[];
}

/** A step without a past: a batch of sequences that begin at position 0, one after another. Nothing of it is kept. */
export interface BatchStep extends StepOptions {
  readonly tokens: ArrayLike<number | ChosenToken>;
  /** Tokens of each sequence. Default: all of them, one sequence. */
  readonly sequence?: number;
}

export type Step = CachedStep | BatchStep;

/** Expected form of a step whose nodes need whole sequences, for the error message. */
export const NO_CACHE = 'a batch without a cache, as the step has gradients or attention that is not causal';

export function isCached(step: Step): step is CachedStep {
  return 'sequences' in step;
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

/** Information about a step for backends, besides its options. */
export interface StepRows {
  /** Ids by row, [T]. */
  readonly tokens: ArrayLike<number | ChosenToken>;
  /** Position of each row in its sequence, [T]. */
  readonly positions: ArrayLike<number>;
  readonly registers: Registers;
}

/** @throws {OptionError} for sequences that do not fit the step's tokens, or a part whose pages do not fit its position */
export function stepRows(step: Step): StepRows {
  if (isCached(step)) return cachedRows(step);
  const { tokens, rows } = step;
  const T = tokens.length;
  const S = step.sequence ?? T;
  if (!(S >= 1 && T % S === 0)) throw new OptionError('sequence', S, `a divisor of the step's ${T} tokens`);
  const positions = new Int32Array(T);
  for (let t = 0; t < T; t++) positions[t] = t % S;
  return { tokens, positions, registers: { T, P: 0, R: rows.length, S } };
}

function cachedRows({ sequences, rows }: CachedStep): StepRows {
  let T = 0;
  for (const part of sequences) {
    checkPart(part);
    T += part.tokens.length;
  }
  const [first] = sequences;
  const single = sequences.length === 1 && first ? first.tokens : undefined;
  const tokens = single ?? sequences.flatMap((part) => Array.from(part.tokens));
  // a plain array of one number is made faster than a typed one, which matters to small models
  const positions = T === 1 ? [0] : new Int32Array(T);
  let row = 0;
  for (const part of sequences) for (let t = 0; t < part.tokens.length; t++) positions[row++] = part.position + t;
  return { tokens, positions, registers: { T, P: first?.position ?? 0, R: rows.length, S: T } };
}

function checkPart({ tokens, position, pages }: SequencePart): void {
  if (tokens.length === 0) throw new OptionError('tokens of a sequence', 0, 'at least 1');
  const room = pages.length * PAGE_POSITIONS;
  if (!(Number.isInteger(position) && position >= 0 && position + tokens.length <= room))
    throw new OptionError(
      'position',
      position,
      `room for ${tokens.length} tokens in ${pages.length} pages, ${room} positions`,
    );
}

/**
 * Checks that every sequence continues at the position of a state, and that there is room for the states after the step.
 * @throws {OptionError}
 */
export function checkStates({ sequences }: CachedStep): void {
  for (const { position, tokens, pages } of sequences) {
    const before = position > 0 ? pages[pageIndex(position - 1)]?.state?.position : 0;
    if (before !== position)
      throw new OptionError(
        'position',
        position,
        `${before ?? 'none'}, the position of the sequence's recurrent state`,
      );
    if (!pages[pageIndex(position + tokens.length - 1)]?.state)
      throw new OptionError('page', 'without a state', 'a state in the page of the last token');
  }
}

/** Notes the positions of the states that a step has written. */
export function markStates({ sequences }: CachedStep): void {
  for (const { position, tokens, pages } of sequences) {
    const end = position + tokens.length;
    for (let page = pageIndex(position); page <= pageIndex(end - 1); page++) {
      const state = pages[page]?.state;
      if (state) state.position = Math.min(end, (page + 1) * PAGE_POSITIONS);
    }
  }
}

/** Index of the page of a position. */
export function pageIndex(position: number): number {
  return Math.floor(position / PAGE_POSITIONS);
}

/** Limits that every backend checks. */
interface StepLimits {
  readonly graph: Graph;
  readonly maxTokens: number;
  readonly maxRows: number;
  readonly context: number;
}

/**
 * Checks a step before anything is changed.
 * @returns its rows, and names of the outputs that are to be readable
 * @throws {OptionError} for too many tokens or rows, an unknown output, a position outside, rules that are not one for each
 *   wanted row
 */
export function checkStep(
  { graph, maxTokens, maxRows, context }: StepLimits,
  step: Step,
): StepRows & { readonly outputs: readonly string[] } {
  const {
    rows,
    outputs = step.until === undefined ? [...graph.outputs.keys()] : [],
    choose,
    threads,
    from,
    until,
  } = step;
  const found = stepRows(step);
  const { T, S } = found.registers;
  if (T < 1 || T > maxTokens) throw new OptionError('tokens', T, `1 to ${maxTokens} in a step`);
  if (rows.length > maxRows) throw new OptionError('rows', rows.length, `at most ${maxRows} in a step`);
  checkRows(rows, T);
  if (isCached(step)) checkContext(step, context);
  else if (S > context) throw new OptionError('sequence', S, `at most ${context}, the context`);
  for (const name of outputs) checkOutput(graph, name);
  if (choose) {
    checkOutput(graph, choose.output);
    if (choose.rules.length !== rows.length)
      throw new OptionError('choose.rules', choose.rules.length, `${rows.length}, one per selected row`);
  }
  if (from && from.rows.length !== T)
    throw new OptionError('from.rows', from.rows.length, `${T}, one row for each token of the step`);
  if ((from || until !== undefined) && graph.nodes.some(({ op }) => op.stateSlot || op.hasEffects))
    throw new UnsupportedError('a graph with', 'segments', [
      'steps of the whole graph, as it has recurrent states or is trained',
    ]);
  if (threads !== undefined && !(Number.isInteger(threads) && threads >= 1))
    throw new OptionError('threads', threads, 'a whole number of at least 1');
  return { tokens: found.tokens, positions: found.positions, registers: found.registers, outputs };
}

function checkRows(rows: ArrayLike<number>, tokens: number): void {
  for (let i = 0; i < rows.length; i++) {
    const row = rows[i];
    if (!(Number.isInteger(row) && row >= 0 && row < tokens))
      throw new OptionError(`rows[${i}]`, row, `the index of one of the step's ${tokens} tokens`);
  }
}

function checkContext({ sequences }: CachedStep, context: number): void {
  for (const { position, tokens } of sequences)
    if (position + tokens.length > context)
      throw new OptionError('position', position, `${tokens.length} tokens within the context of ${context}`);
}

function checkOutput(graph: Graph, name: string): void {
  if (!graph.outputs.has(name)) throw new OptionError('output', name, `one of ${[...graph.outputs.keys()].join(', ')}`);
}
