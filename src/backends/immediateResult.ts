/** Result of a step that is complete when `run` returns, as on the CPU. */
import { OptionError } from '../core/errors.ts';
import type { Choosing, ChosenToken, KeptRow, StepResult, StepRows } from '../graph/step.ts';
import { chooseToken } from '../sampling/chooseToken.ts';

/** Choice of a row without a rule. */
const NONE = -1;

export class ImmediateResult implements StepResult {
  readonly #outputs: readonly string[];
  readonly #read: (name: string) => Float32Array;
  readonly #choices: Int32Array | undefined;
  /** Outputs that were read, or copied before their memory was used again. */
  #copies: Map<string, Float32Array> | undefined;
  #isReleased = false;
  /** Cut where the step has stopped, and its rows: a view until they are copied. */
  readonly #cut: { readonly name: string; rows: Float32Array; isCopied: boolean } | undefined;

  /**
   * @param read returns a view of an output in memory, valid until the next step
   * @param cut where the step has stopped, and a view of its rows
   */
  constructor(
    outputs: readonly string[],
    read: (name: string) => Float32Array,
    choose: Choosing | undefined,
    cut?: { readonly name: string; readonly rows: Float32Array },
  ) {
    this.#outputs = outputs;
    this.#read = read;
    this.#cut = cut && { ...cut, isCopied: false };
    this.#choices = choose && choose.rules.length > 0 ? choicesOf(read(choose.output), choose) : undefined;
  }

  async finished(): Promise<void> {}

  async output(name: string): Promise<Float32Array> {
    if (!this.#outputs.includes(name)) throw new OptionError('output', name, `one of ${this.#outputs.join(', ')}`);
    if (this.#isReleased && !this.#copies?.has(name))
      throw new OptionError('output', `${name} of a released step`, 'one that is read before');
    return this.#copyOf(name);
  }

  async choices(): Promise<Int32Array> {
    if (!this.#choices) throw new OptionError('choices', 'asked for', 'a step with rules to choose by');
    return this.#choices;
  }

  /** Returns the token chosen for a selected row. */
  chosen(row: number): number {
    const id = this.#choices?.[row];
    if (id === undefined || id === NONE)
      throw new OptionError('row of a chosen token', row, 'a row that the step chose for');
    return id;
  }

  /** Returns a row that was kept at a cut. */
  keptRow(cut: string, row: number, width: number): Float32Array {
    const found = this.#cut?.name === cut && (!this.#isReleased || this.#cut.isCopied) ? this.#cut.rows : undefined;
    if (!found || !(Number.isInteger(row) && row >= 0 && (row + 1) * width <= found.length))
      throw new OptionError('row of a cut', row, `a row of a step that has stopped at ${cut}`);
    return found.subarray(row * width, (row + 1) * width);
  }

  release(): void {
    this.#isReleased = true;
  }

  /** Copies unread outputs before the next step overwrites them. */
  keep(): void {
    if (this.#isReleased) return;
    for (const name of this.#outputs) this.#copyOf(name);
    if (!this.#cut || this.#cut.isCopied) return;
    this.#cut.rows = this.#cut.rows.slice();
    this.#cut.isCopied = true;
  }

  #copyOf(name: string): Float32Array {
    this.#copies ??= new Map();
    let copy = this.#copies.get(name);
    if (!copy) this.#copies.set(name, (copy = this.#read(name).slice()));
    return copy;
  }
}

function choicesOf(logits: Float32Array, { rules }: Choosing): Int32Array {
  const width = logits.length / rules.length;
  const choices = new Int32Array(rules.length);
  for (let row = 0; row < rules.length; row++) {
    const rule = rules[row];
    if (!rule) {
      choices[row] = NONE;
      continue;
    }
    const own = rules.length === 1 ? logits : logits.subarray(row * width, (row + 1) * width);
    // copied, because the penalty changes the logits in place
    choices[row] = chooseToken(rule.repetitionPenalty === 1 ? own : own.slice(), rule);
  }
  return choices;
}

/** Resolves token ids. Some may be choices of earlier steps. */
export function idsOf(tokens: StepRows['tokens']): ArrayLike<number> {
  if (ArrayBuffer.isView(tokens)) return tokens as unknown as ArrayLike<number>;
  const ids = tokens.length === 1 ? [0] : new Int32Array(tokens.length);
  for (let i = 0; i < ids.length; i++) {
    const token = tokens[i];
    ids[i] = typeof token === 'number' ? token : idOf(token);
  }
  return ids;
}

function idOf({ from, row }: ChosenToken): number {
  if (from instanceof ImmediateResult) return from.chosen(row);
  throw new OptionError('a chosen token', 'of another program', 'one of an earlier step of this program');
}

/** Gathers the rows [T, width] that steps have kept at a cut. */
export function keptRows(cut: string, rows: readonly KeptRow[], width: number): Float32Array {
  const values = new Float32Array(rows.length * width);
  for (const [i, { from, row }] of rows.entries()) {
    if (!(from instanceof ImmediateResult))
      throw new OptionError('a kept row', 'of another program', 'one of an earlier step of this program');
    values.set(from.keptRow(cut, row, width), i * width);
  }
  return values;
}
