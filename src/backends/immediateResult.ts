/** Result of a step that is complete when `run` returns, as on the CPU. */
import { OptionError } from '../core/errors.ts';
import type { Choosing, ChosenToken, StepResult, StepRows } from '../graph/step.ts';
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

  /** @param read returns a view of an output in memory, valid until the next step */
  constructor(outputs: readonly string[], read: (name: string) => Float32Array, choose: Choosing | undefined) {
    this.#outputs = outputs;
    this.#read = read;
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

  release(): void {
    this.#isReleased = true;
  }

  /** Copies unread outputs before the next step overwrites them. */
  keep(): void {
    if (!this.#isReleased) for (const name of this.#outputs) this.#copyOf(name);
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
  for (const [row, rule] of rules.entries()) {
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
  const ids = new Int32Array(tokens.length);
  for (let i = 0; i < ids.length; i++) {
    const token = tokens[i]!;
    ids[i] = typeof token === 'number' ? token : idOf(token);
  }
  return ids;
}

function idOf({ from, row }: ChosenToken): number {
  if (from instanceof ImmediateResult) return from.chosen(row);
  throw new OptionError('a chosen token', 'of another program', 'one of an earlier step of this program');
}
