/**
 * Owns a model's program: what sequences want to have computed is put together into steps. Who waits for a next token comes
 * first; prompts are read in pieces that leave everyone's next token in time, all of them in turn. What is cancelled is left
 * out of the next step. What a sequence computes does not depend on what is computed beside it.
 */
import { nextTask } from '#leaf/runtime/nextTask';
import { EspalierError } from '../core/errors.ts';
import type { OnProgress } from '../core/progress.ts';
import type { Program } from '../graph/program.ts';
import type { SequencePart, Step, StepResult } from '../graph/step.ts';
import type { ChoiceRule } from '../sampling/chooseToken.ts';
import { PieceSize } from './pieceSize.ts';
import type { Sequence } from './sequence.ts';

/** Outputs of a model: next-token logits [V], or the last layer's state [D]. */
export type OutputName = 'logits' | 'hidden';

/** Tokens that continue a sequence. */
export interface Work {
  readonly sequence: Sequence;
  /** At least one. */
  readonly tokens: readonly number[];
  /** Indices of the tokens whose rows are wanted, ascending. */
  readonly rows: readonly number[];
  /** Output of the rows that `onRow` gets. */
  readonly output?: OutputName;
  readonly onRow?: (row: number, values: Float32Array) => void;
  /** Chooses the token that follows the last one. */
  readonly rule?: ChoiceRule;
  readonly signal?: AbortSignal;
  readonly onProgress?: OnProgress;
}

interface Task extends Work {
  /** Tokens and wanted rows that are computed. */
  done: number;
  shown: number;
  resolve(choice: number): void;
  reject(error: unknown): void;
}

/** What one task has in a step. */
interface Piece {
  readonly task: Task;
  readonly tokens: readonly number[];
  /** Indices of the wanted rows among all tokens of the task. */
  readonly rows: readonly number[];
}

/** A stream that generated a token this many step times ago still counts as one that waits for its next. */
const RECENT = 8;
/** What is returned where no token was to be chosen. */
const NOTHING = -1;

export class Scheduler {
  readonly #program: Program;
  readonly #inputs: Step['inputs'];
  readonly #pieces = new PieceSize();
  #tasks: Task[] = [];
  #isRunning = false;
  #isDisposed = false;
  /** When a stream last generated a token. */
  #generated = Number.NEGATIVE_INFINITY;

  /** @param inputs numbers for the graph's input nodes, the same in every step */
  constructor(program: Program, inputs?: Step['inputs']) {
    this.#program = program;
    this.#inputs = inputs;
  }

  get maxRows(): number {
    return this.#program.maxRows;
  }

  get disposed(): boolean {
    return this.#isDisposed;
  }

  /** Nothing is run any more; whoever waits hears of it. */
  dispose(): void {
    this.#isDisposed = true;
  }

  /**
   * Computes tokens of a sequence.
   * @returns the token that `rule` chose, −1 without a rule
   * @throws the signal's reason before the next step; {EspalierError} SESSION_BUSY if the sequence is being computed already
   */
  submit(work: Work): Promise<number> {
    return new Promise((resolve, reject) => {
      if (this.#tasks.some(({ sequence }) => sequence === work.sequence)) {
        reject(new EspalierError('SESSION_BUSY', 'this sequence is being computed already: wait for it, or fork it'));
        return;
      }
      this.#tasks.push({ ...work, done: 0, shown: 0, resolve, reject });
      if (!this.#isRunning) void this.#run();
    });
  }

  async #run(): Promise<void> {
    this.#isRunning = true;
    while (this.#tasks.length > 0) {
      // everything else has its turn: signals, those who take tokens, those who bring more work
      await nextTask();
      this.#dropCancelled();
      await this.#step(this.#plan());
    }
    this.#isRunning = false;
  }

  #dropCancelled(): void {
    for (const task of this.#tasks) {
      if (this.#isDisposed)
        this.#fail(task, new EspalierError('DISPOSED', 'this session was disposed, or its model was'));
      else if (task.signal?.aborted) this.#fail(task, task.signal.reason);
    }
  }

  /** Pieces of the next step. */
  #plan(): Piece[] {
    const pieces: Piece[] = [];
    const room = { tokens: this.#program.maxTokens, rows: this.#program.maxRows };
    const take = (task: Task, most: number): void => {
      const piece = nextPiece(task, Math.min(most, room.tokens), room.rows);
      if (!piece) return;
      room.tokens -= piece.tokens.length;
      room.rows -= piece.rows.length;
      pieces.push(piece);
    };
    const prompts = this.#tasks.filter((task) => task.tokens.length - task.done > 1);
    for (const task of this.#tasks) if (task.tokens.length - task.done === 1) take(task, 1);
    if (prompts.length === 0) return pieces;
    const waiting = pieces.length > 0 || performance.now() - this.#generated < RECENT * this.#pieces.stepTime;
    let left = waiting ? Math.min(room.tokens, this.#pieces.tokens) : room.tokens;
    for (const [i, task] of prompts.entries()) {
      const before = room.tokens;
      take(task, Math.ceil(left / (prompts.length - i)));
      left -= before - room.tokens;
    }
    // the next step begins with those that had the least of this one
    const [first] = prompts;
    this.#tasks = [...this.#tasks.filter((task) => task !== first), first!];
    return pieces;
  }

  async #step(pieces: readonly Piece[]): Promise<void> {
    const ready: Piece[] = [];
    const parts: SequencePart[] = [];
    for (const piece of pieces) {
      try {
        const part = piece.task.sequence.part(piece.tokens);
        parts.push(part instanceof Promise ? await part : part);
        ready.push(piece);
      } catch (error) {
        this.#fail(piece.task, error);
      }
    }
    if (ready.length > 0) await this.#compute(ready, parts);
  }

  async #compute(pieces: readonly Piece[], parts: readonly SequencePart[]): Promise<void> {
    const started = performance.now();
    try {
      const step = stepOf(pieces, parts, this.#inputs);
      const result = this.#program.run(step);
      await this.#deliver(pieces, step, result);
    } catch (error) {
      if (pieces.length === 1) this.#fail(pieces[0]!.task, error);
      // what one of them is to blame for is not the others' fault
      else for (const [i, piece] of pieces.entries()) await this.#compute([piece], [parts[i]!]);
      return;
    }
    const prompt = pieces.reduce((sum, { tokens }) => sum + (tokens.length > 1 ? tokens.length : 0), 0);
    if (pieces.some(({ tokens }) => tokens.length === 1)) this.#pieces.observe(prompt, performance.now() - started);
  }

  /** Hands out what a step computed. */
  async #deliver(pieces: readonly Piece[], step: Step, result: StepResult): Promise<void> {
    const choices = step.choose ? await result.choices() : undefined;
    const values = new Map<string, Float32Array>();
    for (const name of step.outputs!) values.set(name, await result.output(name));
    if (!choices && values.size === 0) await result.finished();
    let row = 0;
    for (const { task, tokens, rows } of pieces) {
      task.sequence.append(tokens);
      task.done += tokens.length;
      task.shown += rows.length;
      const at = row;
      row += rows.length;
      const own = task.output && values.get(task.output);
      try {
        if (own) showRows(task, rows, own, at, step.rows.length);
        if (tokens.length > 1 || task.tokens.length > 1)
          task.onProgress?.({ stage: 'prefill', done: task.done, total: task.tokens.length, unit: 'tokens' });
        if (task.done === task.tokens.length) this.#finish(task, choices && task.rule ? choices[row - 1]! : NOTHING);
      } catch (error) {
        this.#fail(task, error);
      }
    }
  }

  #finish(task: Task, choice: number): void {
    if (task.rule) this.#generated = performance.now();
    this.#remove(task);
    task.resolve(choice);
  }

  #fail(task: Task, error: unknown): void {
    this.#remove(task);
    task.reject(error);
  }

  #remove(task: Task): void {
    this.#tasks = this.#tasks.filter((other) => other !== task);
  }
}

/** The next tokens of a task, no more than have room together with their wanted rows. */
function nextPiece(task: Task, mostTokens: number, mostRows: number): Piece | undefined {
  const { tokens, rows, done, shown } = task;
  let end = Math.min(tokens.length, done + mostTokens);
  let wanted = shown;
  while (wanted < rows.length && rows[wanted]! < end) wanted++;
  if (wanted - shown > mostRows) {
    wanted = shown + mostRows;
    end = mostRows === 0 ? rows[wanted]! : rows[wanted - 1]! + 1;
  }
  if (end <= done) return undefined;
  return { task, tokens: tokens.slice(done, end), rows: rows.slice(shown, wanted) };
}

function stepOf(pieces: readonly Piece[], parts: readonly SequencePart[], inputs: Step['inputs']): Step {
  const rows: number[] = [];
  const rules: (ChoiceRule | undefined)[] = [];
  const outputs = new Set<string>();
  let first = 0;
  for (const { task, tokens, rows: wanted } of pieces) {
    for (const row of wanted) {
      rows.push(first + row - task.done);
      rules.push(row === task.tokens.length - 1 ? task.rule : undefined);
    }
    if (task.output && wanted.length > 0) outputs.add(task.output);
    first += tokens.length;
  }
  const choose = rules.some((rule) => rule) ? { output: 'logits', rules } : undefined;
  return { sequences: parts, rows, outputs: [...outputs], choose, inputs };
}

/** @param values of all rows of the step @param from of these, the task's first */
function showRows(task: Task, rows: readonly number[], values: Float32Array, from: number, count: number): void {
  const width = values.length / count;
  for (const [i, row] of rows.entries()) task.onRow?.(row, values.subarray((from + i) * width, (from + i + 1) * width));
}
