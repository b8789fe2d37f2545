/**
 * Ten minutes on a simulated phone with the real engine in the loop: the model writes text, the plant gets warm from what its steps take, the
 * firmware throttles, and the policy decides. Time runs `FASTER` times as fast as the clock, so a step of 1 ms warms the phone as one of
 * 20 ms does. Powers of the plans are assumed, speeds are those of this machine.
 */
import { readFileSync } from 'node:fs';
import type { Plan } from '../../src/adapt/plan.ts';
import { plansOf } from '../../src/adapt/plansOf.ts';
import { load, type Model } from '../../src/index.ts';
import type { PacedStep, Pacer } from '../../src/runtime/pacer.ts';
import { quantile } from '../../src/runtime/statistics.ts';
import { Plant, type PlantOptions } from '../../test/adapt/plant.ts';
import { fixed, governed, type Policy, simulate, watts } from '../../test/adapt/run.ts';

const LIMIT = 43;
const PHONE: PlantOptions = { resistance: 12, timeConstant: 540, ambient: 25, trip: LIMIT };
const SECONDS = 600;
const FASTER = 20;
/** Watts by threads, as of the simulated phone. */
const WATTS: Readonly<Record<number, number>> = { 1: 1.4, 2: 2.7, 4: 5 };
/** Simulated seconds in which the controller settles. */
const SETTLED = 120;

/** A device whose temperature follows the engine's steps. */
class PhonePacer implements Pacer {
  readonly #plant = new Plant(PHONE);
  readonly #policy: Policy;
  readonly #began = performance.now();
  #decision;
  #second = 0;
  #resumeAt = 0;
  /** Seconds of computing since the last simulated second. */
  #busy = 0;
  readonly #steps: number[] = [];
  tokens = 0;
  hottest = 0;
  changes = 0;

  constructor(policy: Policy) {
    this.#policy = policy;
    this.#decision = policy(0, this.#plant, 0);
  }

  /** Simulated seconds since the start. */
  get seconds(): number {
    return ((performance.now() - this.#began) / 1000) * FASTER;
  }

  wait(): number {
    this.#advance();
    return this.#resumeAt - performance.now();
  }

  threads(): number {
    return this.#decision.plan.threads;
  }

  observe({ tokens, isDecoding, seconds }: PacedStep): void {
    if (isDecoding) this.tokens += tokens;
    if (tokens === 1) this.#steps.push(seconds);
    if (this.#steps.length > 8) this.#steps.shift();
    // the firmware's lower clock makes the same step longer
    const slow = seconds / this.#plant.speed;
    this.#busy += slow * FASTER;
    this.#resumeAt = performance.now() + 1000 * (slow / this.#decision.duty - seconds);
    this.#advance();
  }

  #advance(): void {
    while (this.#second + 1 <= this.seconds) {
      const { plan } = this.#decision;
      this.#plant.advance(plan.power.value * Math.min(1, this.#busy) * this.#plant.power, 1);
      this.#busy = Math.max(0, this.#busy - 1);
      this.#second++;
      if (this.#second > SETTLED) this.hottest = Math.max(this.hottest, this.#plant.celsius);
      const token = this.#steps.length > 0 ? quantile(this.#steps, 0.5) / this.#plant.speed : plan.seconds;
      const next = this.#policy(this.#second, this.#plant, token);
      if (next.plan !== plan) {
        this.changes++;
        this.#steps.length = 0;
      }
      this.#decision = next;
    }
  }
}

export async function benchPhoneEngine(file: string): Promise<object> {
  const model = await load(new Uint8Array(readFileSync(file)), { context: 256, prefixCacheBytes: 0 });
  const plans: Plan[] = (await plansOf(model)).filter(({ threads }) => WATTS[threads] !== undefined);
  const own = plans.map((plan) => ({ ...plan, power: watts(WATTS[plan.threads]) }));
  const policies: Readonly<Record<string, Policy>> = {
    governed: governed({ maxTemperature: LIMIT }, own),
    // the fastest plan without pauses, and every plan with the largest share of time that stays cool, which nobody knows in advance
    untilTrip: fixed(own.reduce((a, b) => (b.seconds < a.seconds ? b : a))),
    ...Object.fromEntries(own.map((plan) => [`${plan.name}, fixed`, fixed(plan, coolShare(plan))])),
  };
  const found: Record<string, { tokens: number; hottest: number; changes: number }> = {};
  for (const [name, policy] of Object.entries(policies)) {
    const pacer = new PhonePacer(policy);
    model.setPacer(pacer);
    await write(model, () => pacer.seconds < SECONDS);
    found[name] = { tokens: pacer.tokens, hottest: pacer.hottest, changes: pacer.changes };
    console.log(
      `${name}: ${pacer.tokens} tokens, at most ${pacer.hottest.toFixed(1)} °C after ${SETTLED} s, ${pacer.changes} changes of plan`,
    );
  }
  model.setPacer(undefined);
  model.dispose();
  const bestFixed = Math.max(
    ...Object.entries(found).flatMap(([name, { tokens }]) => (name.endsWith('fixed') ? [tokens] : [])),
  );
  const byBestFixed = found.governed.tokens / bestFixed;
  const byUntilTrip = found.governed.tokens / found.untilTrip.tokens;
  console.log(
    `${byBestFixed.toFixed(2)} × the best fixed plan that stays cool, ${byUntilTrip.toFixed(2)} × running until the trip`,
  );
  return { limit: LIMIT, faster: FASTER, plans: own, found, byBestFixed, byUntilTrip };
}

/** Largest share of time with which a plan stays below the limit for the whole run. */
function coolShare(plan: Plan): number {
  for (let percent = 100; percent > 5; percent -= 5) {
    const run = simulate(PHONE, fixed(plan, percent / 100), SECONDS);
    if (run.every(({ celsius }) => celsius <= LIMIT)) return percent / 100;
  }
  return 0.05;
}

async function write(model: Model, goesOn: () => boolean): Promise<void> {
  while (goesOn()) {
    const session = model.session();
    for await (const _ of session.generate('Once upon a time', { maxTokens: 200, temperature: 1, draft: 'off' })) {
      if (!goesOn()) break;
    }
    session.dispose();
  }
}
