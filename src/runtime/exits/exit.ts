/** The early exit of a loaded model, and what is known of it while it runs. */
import { OptionError } from '../../core/errors.ts';
import {
  type BoundPromise,
  EXIT_OUTPUT,
  type ExitBinding,
  type ExitHeader,
  type ExitPromise,
  exitCut,
  promiseProblem,
} from '../../models/exitPart.ts';
import { ExitCheck } from './exitCheck.ts';
import { ExitCosts } from './exitCosts.ts';
import { ExitGain } from './exitGain.ts';

/** Exit of a loaded model. */
export interface LoadedExit extends ExitHeader {
  /** What promises that are calibrated now hold for. */
  readonly binding: ExitBinding;
}

export class Exit {
  /** Cut at which tokens leave. */
  readonly cut: string;
  readonly output = EXIT_OUTPUT;
  readonly header: LoadedExit;
  /** Shared by all generations. */
  readonly costs = new ExitCosts();
  readonly gain = new ExitGain();
  /** Checks of promises by their risk, shared by all generations. */
  readonly #checks = new Map<number, ExitCheck>();

  constructor(header: LoadedExit) {
    this.header = header;
    this.cut = exitCut(header);
  }

  /** Promises that do not hold for this model, in words. */
  get problems(): string[] {
    return this.header.promises.flatMap((promise) => {
      const problem = this.#problemOf(promise);
      return problem === undefined ? [] : [`the promise of ${promise.risk} was calibrated with ${problem}`];
    });
  }

  /**
   * The promise with the largest risk that is at most `risk`.
   * @throws {OptionError} if the file has none, i.e. it was not calibrated for this risk, or for other weights or formats
   */
  promise(risk: number): ExitPromise {
    const promises = this.header.promises.filter((each) => this.#problemOf(each) === undefined);
    const [best] = promises.filter((each) => each.risk <= risk).sort((a, b) => b.risk - a.risk);
    if (best) return best;
    const known = promises.map((each) => each.risk).join(', ') || 'none: calibrate it with `espalier exit`';
    const found = [known, ...this.problems].join('; ');
    throw new OptionError('exitRisk', risk, `a risk that the exit was calibrated for (${found})`);
  }

  #problemOf(promise: BoundPromise): string | undefined {
    return promiseProblem(promise, this.header.binding);
  }

  check(promise: ExitPromise): ExitCheck {
    let check = this.#checks.get(promise.risk);
    if (!check) this.#checks.set(promise.risk, (check = new ExitCheck(promise.risk)));
    return check;
  }
}

/** The likeliest of an exit's tokens, and by how much its logit exceeds the next one. */
export function topMargin(logits: Float32Array): { readonly index: number; readonly margin: number } {
  let [first, second] = [Number.NEGATIVE_INFINITY, Number.NEGATIVE_INFINITY];
  let index = 0;
  for (let i = 0; i < logits.length; i++) {
    const logit = logits[i];
    if (logit > first) {
      second = first;
      first = logit;
      index = i;
    } else if (logit > second) second = logit;
  }
  return { index, margin: first - second };
}
