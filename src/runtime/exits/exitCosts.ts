/** Decides how many tokens an exit drafts: from its acceptance by margin, and the times of steps before and behind it. */
import { StepTimes } from '../drafting/stepTimes.ts';

/** Upper bounds of the classes of margins; the last class is above. */
const CLASSES = [0.25, 0.5, 1, 2, 3, 4, 6] as const;
/** Acceptance that is expected of each class before any draft was seen, and how many drafts that weighs. */
const EXPECTED = [0.3, 0.4, 0.5, 0.6, 0.75, 0.85, 0.92, 0.97] as const;
const WEIGHT = 4;
/** Weight of a new time. */
const LATEST = 0.1;
/** Time of the layers before the exit and of the exit, relative to those behind it, before any was measured. */
const SHALLOW = 0.5;

export class ExitCosts {
  readonly #accepted = EXPECTED.map((share) => share * WEIGHT);
  readonly #seen = EXPECTED.map(() => WEIGHT);
  readonly #deep = new StepTimes();
  /** Seconds of a token before the exit; of one in total. */
  #shallow: number | undefined;

  acceptance(margin: number): number {
    const at = classOf(margin);
    return this.#accepted[at] / this.#seen[at];
  }

  see(margin: number, isAccepted: boolean): void {
    const at = classOf(margin);
    this.#accepted[at] = this.#accepted[at] + (isAccepted ? 1 : 0);
    this.#seen[at] = this.#seen[at] + 1;
  }

  /** Records a round. @param tokens rows of the step behind the exit */
  observe(tokens: number, shallow: number, deep: number): void {
    this.#deep.observe(tokens, deep);
    const each = shallow / tokens;
    this.#shallow = this.#shallow === undefined ? each : this.#shallow + LATEST * (each - this.#shallow);
  }

  /**
   * True if a further draft brings more than it costs: the tokens of a round grow by `share`, its time by a shallow step and a row more.
   * @param rows rows that the step behind the exit has without it
   */
  isWorth(share: number, rows: number): boolean {
    const shallow = this.#shallow === undefined ? SHALLOW : this.#deep.relative(this.#shallow, SHALLOW);
    const further = shallow + this.#deep.ratio(rows + 1) - this.#deep.ratio(rows);
    // a round of one token costs both parts
    return share > further / (1 + shallow);
  }
}

function classOf(margin: number): number {
  const at = CLASSES.findIndex((bound) => margin < bound);
  return at < 0 ? CLASSES.length : at;
}
