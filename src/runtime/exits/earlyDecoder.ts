/**
 * Decodes with an early exit. 'calibrated': a token leaves where its margin reaches the promise's threshold; the layers behind the exit are
 * computed later for several tokens at once, so that every token has the keys and values of the whole model before it. 'lossless': the
 * exit drafts, and the same step of the layers behind it verifies.
 */
import { seededRandom } from '../../core/random.ts';
import type { ExitPromise } from '../../models/exitPart.ts';
import type { ChoiceRule } from '../../sampling/chooseToken.ts';
import type { Sequence } from '../sequence.ts';
import { type Exit, topMargin } from './exit.ts';
import { CHECKED_SHARE, type ExitCheck } from './exitCheck.ts';

/** Maximum tokens whose last layers wait. */
const MOST_WAITING = 16;

export interface EarlyOptions {
  readonly exit: Exit;
  /** Undefined: lossless. */
  readonly promise?: ExitPromise;
  readonly seed: number;
}

/** Tokens that one call has decoded. */
export interface EarlyTokens {
  readonly ids: readonly number[];
  /** Tokens that the exit chose or drafted, and those of the latter that were right. */
  readonly exited: number;
  readonly drafted: number;
  readonly accepted: number;
}

export class EarlyDecoder {
  readonly #exit: Exit;
  readonly #promise: ExitPromise | undefined;
  readonly #check: ExitCheck | undefined;
  readonly #random;
  /** Waiting tokens that left early and will be compared: index among those that wait, and the id that the exit chose. */
  #compared: { readonly index: number; readonly id: number }[] = [];

  constructor({ exit, promise, seed }: EarlyOptions) {
    this.#exit = exit;
    this.#promise = promise;
    this.#check = promise && exit.check(promise);
    this.#random = seededRandom(seed ^ 0x5eed);
  }

  /** True if the promise was contradicted: the text goes on without the exit. */
  get isBroken(): boolean {
    return this.#check?.isBroken === true;
  }

  /** True if the next token should run through all layers at once: drafting is slower here, or that is being measured. */
  get isWhole(): boolean {
    return this.isBroken || (this.#promise === undefined && !this.#exit.gain.isEarly);
  }

  /** Records a token that ran through all layers at once. */
  observeWhole(seconds: number): void {
    this.#exit.gain.see(false, 1, seconds);
  }

  /**
   * Runs the last token of the text and chooses the next one, or several.
   * @param rule returns the rule of the token after `last`, which the sequence does not have yet @param most tokens that there is room for
   */
  decode(
    sequence: Sequence,
    id: number,
    rule: (last: number) => ChoiceRule,
    most: number,
    signal?: AbortSignal,
  ): Promise<EarlyTokens> {
    return this.#promise
      ? this.#leave(this.#promise, sequence, id, rule, signal)
      : this.#draft(sequence, id, rule, most, signal);
  }

  /** Computes the layers that wait, so that other steps can follow. */
  async finish(sequence: Sequence, signal?: AbortSignal): Promise<void> {
    if (sequence.waiting > 0) await this.#catchUp(sequence, [], signal);
  }

  async #leave(
    promise: ExitPromise,
    sequence: Sequence,
    id: number,
    rule: (last: number) => ChoiceRule,
    signal?: AbortSignal,
  ): Promise<EarlyTokens> {
    if (sequence.waiting >= MOST_WAITING) await this.finish(sequence, signal);
    const own = rule(id);
    const { index, margin } = topMargin(await sequence.leave(id, this.#exit, signal));
    const isCompared = this.#random.uniform() < CHECKED_SHARE;
    if (margin >= promise.threshold) {
      const chosen = this.#exit.header.tokens[index];
      if (isCompared) this.#compared.push({ index: sequence.waiting - 1, id: chosen });
      return { ids: [chosen], exited: 1, drafted: 0, accepted: 0 };
    }
    if (isCompared) this.#check!.see(false);
    const [chosen] = await this.#catchUp(sequence, [{ row: sequence.waiting - 1, rule: own }], signal);
    return { ids: [chosen], exited: 0, drafted: 0, accepted: 0 };
  }

  /** @returns the choices of the wanted rows */
  async #catchUp(
    sequence: Sequence,
    wanted: readonly { readonly row: number; readonly rule: ChoiceRule }[],
    signal?: AbortSignal,
  ): Promise<readonly number[]> {
    const compared = this.#compared;
    this.#compared = [];
    const rows = [...compared.map(({ index: row }) => ({ row, rule: greedily })), ...wanted];
    const chosen = await sequence.catchUp(this.#exit, rows, signal);
    for (const [i, { id }] of compared.entries()) this.#check!.see(chosen[i] !== id);
    return chosen.slice(compared.length);
  }

  async #draft(
    sequence: Sequence,
    id: number,
    rule: (last: number) => ChoiceRule,
    most: number,
    signal?: AbortSignal,
  ): Promise<EarlyTokens> {
    const drafts: number[] = [];
    const margins: number[] = [];
    const rules: ChoiceRule[] = [];
    let next = id;
    const began = sequence.clock();
    for (let share = 1; ; ) {
      rules.push(rule(next));
      const { index, margin } = topMargin(await sequence.leave(next, this.#exit, signal));
      share *= this.#exit.costs.acceptance(margin);
      if (drafts.length + 1 >= Math.min(most, MOST_WAITING) || !this.#exit.costs.isWorth(share, drafts.length + 1))
        break;
      next = this.#exit.header.tokens[index];
      drafts.push(next);
      margins.push(margin);
    }
    const drafted = sequence.clock();
    const before = sequence.tokens.length - drafts.length;
    const chosen = await sequence.catchUp(
      this.#exit,
      rules.map((each, row) => ({ row, rule: each })),
      signal,
    );
    let accepted = 0;
    while (accepted < drafts.length && drafts[accepted] === chosen[accepted]) accepted++;
    sequence.rewind(before + accepted);
    for (const [i, margin] of margins.entries()) if (i <= accepted) this.#exit.costs.see(margin, i < accepted);
    const ended = sequence.clock();
    this.#exit.costs.observe(rules.length, (drafted - began) / 1000, (ended - drafted) / 1000);
    this.#exit.gain.see(true, accepted + 1, (ended - began) / 1000);
    return { ids: chosen.slice(0, accepted + 1), exited: 0, drafted: drafts.length, accepted };
  }
}

const greedily: ChoiceRule = {
  temperature: 0,
  topK: 0,
  topP: 1,
  minP: 0,
  repetitionPenalty: 1,
  recent: [],
  uniform: 0,
};
