/** Work that is queued for a model, and the parts of it that share a step. */
import type { OnProgress } from '../core/progress.ts';
import type { SequencePart, Step, StepResult } from '../graph/step.ts';
import type { ChoiceRule } from '../sampling/chooseToken.ts';
import type { Sequence } from './sequence.ts';

/** Maximum tokens of a step that verifies drafts. Longer work with rules is taken for a prompt. */
export const MAX_DRAFT_TOKENS = 16;

/** Outputs of a model: next-token logits [V], the last layer's state [D], a classifier's scores [L], or logits of an early exit [S]. */
export type OutputName = 'logits' | 'hidden' | 'scores' | 'exit';

/** Tokens to compute as the continuation of a sequence. */
export interface Work {
  readonly sequence: Sequence;
  /** At least one. */
  readonly tokens: readonly number[];
  /** Indices of the tokens whose outputs are returned, ascending. */
  readonly rows: readonly number[];
  /** Output passed to `onRow`. */
  readonly output?: OutputName;
  readonly onRow?: (row: number, values: Float32Array) => void;
  /** One rule per row, each of which samples the token after it. Default: nothing is sampled. */
  readonly rules?: readonly ChoiceRule[];
  readonly signal?: AbortSignal;
  readonly onProgress?: OnProgress;
}

/** What a step has computed. */
export interface Computed {
  readonly tokens: number;
  readonly rows: number;
}

/** Work that runs alone, between two steps: a step of a part of the layers, a batch without a cache, or a change of the weights. */
export interface LoneWork {
  /** Sequence whose pages it uses. */
  readonly sequence?: Sequence;
  /** @param run submits a step to the submodel @returns what it has computed; undefined: nothing */
  readonly perform: (run: (step: Step) => StepResult, submodel: string) => Promise<Computed | undefined>;
  readonly signal?: AbortSignal;
}

/** Queued work. One class for all kinds: on a small model, a megamorphic property access costs as much as a step. */
export class Task {
  /** Undefined only for work that runs alone. */
  readonly sequence: Sequence | undefined;
  readonly tokens: readonly number[];
  readonly rows: readonly number[];
  readonly rules: readonly ChoiceRule[] | undefined;
  readonly signal: AbortSignal | undefined;
  readonly work: Omit<Work, 'sequence'>;
  readonly task = this;
  /** Number of computed tokens and rows. */
  done = 0;
  shown = 0;
  /** Sampled tokens, one per computed row. */
  readonly choices: number[] = [];
  readonly resolve: (choices: readonly number[]) => void;
  readonly reject: (error: unknown) => void;
  /** Set if it runs alone; it has no tokens then. */
  readonly lone: LoneWork | undefined;

  constructor(
    work: Omit<Work, 'sequence'> & Pick<LoneWork, 'sequence'>,
    resolve: (choices: readonly number[]) => void,
    reject: (error: unknown) => void,
    lone?: LoneWork,
  ) {
    this.lone = lone;
    this.sequence = work.sequence;
    this.tokens = work.tokens;
    this.rows = work.rows;
    this.rules = work.rules;
    this.signal = work.signal;
    this.work = work;
    this.resolve = resolve;
    this.reject = reject;
  }

  /** True if a stream waits for this: its next token, alone or with drafts of the following ones, which are few. */
  get isDecoding(): boolean {
    if (this.lone) return false;
    const left = this.tokens.length - this.done;
    return left === 1 || (this.rules !== undefined && this.rules.length > 1 && left <= MAX_DRAFT_TOKENS);
  }
}

/** Part of a task that runs in one step. A task of one token is its own piece. */
export interface Piece {
  readonly task: Task;
  readonly tokens: readonly number[];
  /** Row indices among all tokens of the task. */
  readonly rows: readonly number[];
}

export const countTokens = (pieces: readonly Piece[]): number =>
  pieces.reduce((sum, { tokens }) => sum + tokens.length, 0);

/** Returns the next tokens of a task, limited by the room for tokens and for rows. */
export function nextPiece(task: Task, mostTokens: number, mostRows: number): Piece | undefined {
  const { tokens, rows, done, shown } = task;
  if (tokens.length === 1) return mostTokens < 1 || rows.length > mostRows ? undefined : { task, tokens, rows };
  let end = Math.min(tokens.length, done + mostTokens);
  let wanted = shown;
  while (wanted < rows.length && rows[wanted] < end) wanted++;
  if (wanted - shown > mostRows) {
    wanted = shown + mostRows;
    end = mostRows === 0 ? rows[wanted] : rows[wanted - 1] + 1;
  }
  if (end <= done) return undefined;
  return { task, tokens: tokens.slice(done, end), rows: rows.slice(shown, wanted) };
}

/** A step of the pieces. @param parts of their sequences, in the same order */
export function stepOf(
  pieces: readonly Piece[],
  parts: readonly SequencePart[],
  inputs: Step['inputs'],
  threads: number | undefined,
): Step {
  const rows: number[] = [];
  const rules: (ChoiceRule | undefined)[] = [];
  const outputs: string[] = [];
  let chooses = false;
  let first = 0;
  for (const { task, tokens, rows: wanted } of pieces) {
    for (let i = 0; i < wanted.length; i++) {
      rows.push(first + wanted[i] - task.done);
      const rule = task.rules?.[task.shown + i];
      rules.push(rule);
      chooses ||= rule !== undefined;
    }
    const { output } = task.work;
    if (output && wanted.length > 0 && !outputs.includes(output)) outputs.push(output);
    first += tokens.length;
  }
  const choose = chooses ? { output: 'logits', rules } : undefined;
  return { sequences: parts, rows, outputs, choose, inputs, threads };
}

/** Passes a task's rows to its `onRow`. @param values outputs of all rows of the step @param from index of the task's first row */
export function showRows(task: Task, rows: readonly number[], values: Float32Array, from: number, count: number): void {
  const width = values.length / count;
  for (const [i, row] of rows.entries())
    task.work.onRow?.(row, values.subarray((from + i) * width, (from + i + 1) * width));
}
