/** Lets the governor pace a model: reads the sensors once a second while steps run, and sleeps between tokens. */
import type { PacedStep, Pacer } from '../runtime/pacer.ts';
import { quantile } from '../runtime/statistics.ts';
import { meanPower, measuredEnergy } from './energy.ts';
import { DWELL_DOWN, decide, type GovernorState, startState } from './governor.ts';
import type { AdaptLimits } from './limits.ts';
import type { Decision, Plan } from './plan.ts';
import type { ObservedPower } from './power.ts';
import type { Sensors, Signals } from './sensors/signals.ts';
import { SteadySignals } from './sensors/steady.ts';
import { wellFormed } from './sensors/wellFormed.ts';

/** A change of plan, of its share of time, or of the limits that are not kept, for applications that show it. */
export interface AdaptEvent extends Decision {
  /** Signals behind the decision. */
  readonly signals: Signals;
  /** Names of the sensors' signals that were refused as malformed, and are unknown: 'temperature', 'battery.watts'. */
  readonly malformed: readonly string[];
}

/** Milliseconds between decisions. */
const INTERVAL = 1000;
/** Sensors that take longer are skipped this time. */
const READ_LIMIT = 900;
/** Waits of streams whose median counts. */
const RECENT = 8;
/** Smaller changes of the share of time are not reported. */
const REPORTED = 0.1;
/** Budget above which nothing limits the power. */
const UNLIMITED = 0.99;
/** Steps of more tokens are parts of prompts. */
const FEW_TOKENS = 16;
/** Longest sleep between two tokens in milliseconds. The rest of a longer pause follows after the next steps. */
const MAX_SLEEP = 2000;

export class GovernedPacer implements Pacer {
  readonly #plans: readonly Plan[];
  /** Seconds of a token of the fastest plan on an idle device. */
  readonly #fastest: number;
  readonly #limits: AdaptLimits;
  readonly #sensors: Sensors;
  readonly #onChange: ((event: AdaptEvent) => unknown) | undefined;
  readonly #steady = new SteadySignals();
  #state: GovernorState;
  #decision: Decision;
  #reported: (Decision & { readonly malformed: readonly string[]; readonly at: number }) | undefined;
  #last: Signals | undefined;
  /** Last waits of streams for their next tokens. */
  #waits: { readonly tokens: number; readonly seconds: number }[] = [];
  /** Joules that the plans assume of the steps since the last decision. */
  #assumed = 0;
  /** Milliseconds for which steps were held back, and the start of the present pause. */
  #slept = 0;
  #sleepsSince: number | undefined;
  #resumeAt = 0;
  /** End of the last step. */
  #endedAt = performance.now();
  /** Milliseconds of pauses that the steps until `#endedAt` still require. */
  #owed = 0;
  #nextDecision = 0;
  #isReading = false;
  #isClosed = false;

  constructor(
    plans: readonly Plan[],
    limits: AdaptLimits,
    sensors: Sensors,
    onChange?: (event: AdaptEvent) => unknown,
  ) {
    this.#plans = plans;
    this.#fastest = Math.min(...plans.map(({ seconds }) => seconds));
    this.#limits = limits;
    this.#sensors = sensors;
    this.#onChange = onChange;
    const at = performance.now();
    const { state, ...decision } = decide(startState(at), { at }, limits, plans);
    this.#state = state;
    this.#decision = decision;
    void this.#read();
  }

  wait(): number {
    const now = performance.now();
    if (now < this.#resumeAt) this.#sleepsSince ??= now;
    else if (this.#sleepsSince !== undefined) {
      this.#slept += now - this.#sleepsSince;
      this.#sleepsSince = undefined;
    }
    return this.#resumeAt - now;
  }

  clock(): number {
    return (this.#sleepsSince ?? performance.now()) - this.#slept;
  }

  observeTokens(tokens: number, seconds: number): void {
    if (!(tokens > 0)) return;
    this.#waits.push({ tokens, seconds });
    if (this.#waits.length > RECENT) this.#waits.shift();
  }

  /** Prompts use all threads while nothing limits the model: the plan that is fastest for one token may have few. */
  threads(tokens: number): number | undefined {
    const { plan } = this.#decision;
    const isFree = this.#state.budget > UNLIMITED && plan.seconds === this.#fastest;
    return tokens > FEW_TOKENS && isFree ? undefined : plan.threads;
  }

  submodel(): string | undefined {
    return this.#decision.plan.submodel;
  }

  observe({ seconds }: PacedStep): void {
    const now = performance.now();
    this.#assumed += seconds * this.#decision.plan.power.value;
    // any time without a step is a pause, also while nobody asks for tokens
    const paused = Math.max(0, now - 1000 * seconds - this.#endedAt);
    this.#owed = Math.max(0, this.#owed - paused) + 1000 * seconds * pausePerSecond(this.#decision);
    this.#endedAt = now;
    this.#resumeAt = now + Math.min(MAX_SLEEP, this.#owed);
    if (now >= this.#nextDecision) void this.#read();
  }

  dispose(): void {
    this.#isClosed = true;
    this.#sensors.close?.();
  }

  /** Reads the sensors and decides. Steps go on meanwhile. */
  async #read(): Promise<void> {
    if (this.#isReading || this.#isClosed) return;
    this.#isReading = true;
    this.#nextDecision = performance.now() + INTERVAL;
    const read = await inTime(this.#sensors);
    this.#isReading = false;
    if (this.#isClosed) return;
    // the clock of the sensors may be another one
    const { signals, malformed } = wellFormed(read, performance.now());
    this.#decide(this.#steady.see(signals), malformed);
  }

  #decide(signals: Signals, malformed: readonly string[]): void {
    const power = this.#powerUntil(signals);
    const steps =
      this.#waits.length < RECENT
        ? undefined
        : {
            plan: this.#decision.plan.name,
            seconds: quantile(
              this.#waits.map(({ seconds }) => seconds),
              0.5,
            ),
            burst: this.#waits.reduce((sum, { tokens }) => sum + tokens, 0) / this.#waits.length,
            count: this.#waits.length,
          };
    const { state, ...decision } = decide(this.#state, { ...signals, steps, power }, this.#limits, this.#plans);
    // waits of the last plan say nothing of the next
    if (decision.plan !== this.#decision.plan) this.#waits = [];
    // a step that was slow under a low share of time must not hold the text up after the share has risen
    const before = pausePerSecond(this.#decision);
    if (before > 0) this.#owed *= Math.min(1, pausePerSecond(decision) / before);
    this.#state = state;
    this.#decision = decision;
    this.#report(signals, malformed);
  }

  /** Mean power since the last reading, if the device tells it, and what was computed in that time. */
  #powerUntil(signals: Signals): ObservedPower | undefined {
    const [last, assumed] = [this.#last, this.#assumed];
    this.#last = signals;
    this.#assumed = 0;
    const energy = last && measuredEnergy({ before: last, after: signals });
    if (!energy) return undefined;
    const seconds = (signals.at - last.at) / 1000;
    return { watts: meanPower(energy, seconds), load: assumed / seconds, seconds };
  }

  #report(signals: Signals, malformed: readonly string[]): void {
    const { plan, duty, unmet } = this.#decision;
    const { at } = signals;
    const last = this.#reported;
    // what is unmet can change with every reading
    const isOld = last === undefined || at - last.at >= DWELL_DOWN;
    const hasChanged = last?.unmet.join() !== unmet.join() || last.malformed.join() !== malformed.join();
    const isNews = last?.plan !== plan || (isOld && hasChanged) || Math.abs(last.duty - duty) >= REPORTED;
    if (!this.#onChange || !isNews) return;
    this.#reported = { ...this.#decision, malformed, at };
    try {
      // in a page the callback is elsewhere and answers with a promise; what it throws is its own matter
      Promise.resolve(this.#onChange({ ...this.#decision, signals, malformed })).catch(() => undefined);
    } catch {
      // an application's error must not stop the text
    }
  }
}

/** Seconds of pause for each second of computation. */
const pausePerSecond = ({ duty }: Decision): number => 1 / duty - 1;

/** Sensors of applications may throw or hang. */
async function inTime(sensors: Sensors): Promise<unknown> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const limit = new Promise<undefined>((resolve) => {
    timer = setTimeout(() => resolve(undefined), READ_LIMIT);
  });
  try {
    return await Promise.race([sensors.read(), limit]);
  } catch {
    return undefined;
  } finally {
    clearTimeout(timer);
  }
}
