/**
 * Decides how a model runs: a pure function of the last state, the signals, the limits and the plans. Each limiter allows some power;
 * the smallest counts. The share of time that is computed follows it at once; the plan changes rarely.
 */
import { OptionError } from '../core/errors.ts';
import { type HeatState, heatBudget } from './heat.ts';
import type { AdaptLimits } from './limits.ts';
import type { Decision, Plan } from './plan.ts';
import type { Signals } from './sensors/signals.ts';
import { observeSlowdown, type SharedSlowdown, type Slowdown, slowdownNow } from './slowdown.ts';

/** Measurements of the engine since the last decision. */
export interface ObservedSteps {
  /** Name of the plan that ran. */
  readonly plan: string;
  /** Median of the seconds of steps of one token. */
  readonly seconds: number;
  readonly count: number;
  /** Mean power in that time, in watts. Undefined: the device does not tell. */
  readonly watts?: number;
}

export interface GovernorSignals extends Signals {
  readonly steps?: ObservedSteps;
}

/** Everything that the governor remembers. Plain values. */
export interface GovernorState {
  readonly plan?: string;
  readonly duty: number;
  readonly heat?: HeatState;
  /** Last limit that the device named, in degrees Celsius. */
  readonly deviceLimit?: number;
  /** Budget in shares of the highest power, averaged slowly. */
  readonly budget: number;
  readonly slowdowns: Readonly<Record<string, Slowdown>>;
  /** That of the plan that ran last. */
  readonly present?: SharedSlowdown;
  /** Measured watts per watt that the plans promise. */
  readonly wattScale: number;
  readonly at: number;
  /** When the plan changed last, and when it changed to one that needs more power. */
  readonly changedAt: number;
  readonly raisedAt: number;
  /** Milliseconds without a rise. It doubles when a rise had to be taken back. */
  readonly dwell: number;
}

/** The plans and the duty that one limiter allows. */
interface Allowance {
  /** Share of the highest power, 0 … 1. */
  readonly share: number;
  readonly why: string;
  /** True if `floor` does not hold against it. */
  readonly isHard: boolean;
}

/** Lowest duty: a sensor that lies must not stop the text for ever. */
export const MIN_DUTY = 0.05;
/** Milliseconds between changes to less power, and to more. */
const DWELL_DOWN = 4000;
const DWELL_UP = 30_000;
const MAX_DWELL = 16 * 60_000;
/** A rise that is taken back within this many milliseconds is regretted. */
const REGRET = 60_000;
/** Seconds of the average by which plans are chosen. */
const AVERAGE = 50;
/** A plan must be faster by this factor to replace the present one. */
const GAIN = 1.1;
/** Milliseconds after which a thermometer that says nothing counts as lost. */
const SILENCE = 30_000;
/** Deviations that a deadline leaves room for: 95% of the tokens. */
const DEVIATIONS = 2;

export function startState(at: number): GovernorState {
  return {
    duty: 1,
    budget: 1,
    slowdowns: {},
    wattScale: 1,
    at,
    changedAt: at,
    raisedAt: Number.NEGATIVE_INFINITY,
    dwell: DWELL_UP,
  };
}

/** @param plans at least one @throws {OptionError} if there is none */
export function decide(
  last: GovernorState,
  signals: GovernorSignals,
  limits: AdaptLimits,
  plans: readonly Plan[],
): Decision & { readonly state: GovernorState } {
  if (plans.length === 0) throw new OptionError('plans', 'empty', 'at least one plan');
  const at = Number.isFinite(signals.at) ? Math.max(signals.at, last.at) : last.at;
  const seen = observe(last, { ...signals, at }, plans);
  const highest = Math.max(...plans.map(({ watts }) => watts));
  const deviceLimit = deviceLimitOf(last, signals);
  const limit = hottest(limits, deviceLimit);
  const heat = heatOf(last, { ...signals, at }, limit);
  const allowances = [heatAllowance(heat, at, limit), ...allowancesOf(signals, limits, seen.wattScale, highest)].filter(
    (allowance): allowance is Allowance => allowance !== undefined,
  );
  const hard = smallest(allowances.filter(({ isHard }) => isHard));
  const any = smallest(allowances);
  const seconds = Math.min(60, (at - last.at) / 1000);
  const share = 1 - Math.exp(-seconds / AVERAGE);
  // at once where power must fall, slowly where it may rise
  const budget =
    any.share < last.budget && any.isHard ? mix(last.budget, any.share, 2 * share) : mix(last.budget, any.share, share);
  const rated = plans.map((plan) => rate(plan, seen, at, limits));
  const pick = choose(rated, budget * highest, limits, signals);
  const current = rated.find(({ plan }) => plan.name === last.plan);
  const { next, changedAt, raisedAt, dwell } = dwelling(last, at, current, pick, budget * highest, limits);
  const duty = dutyOf(next, any, hard, highest, limits);
  const state: GovernorState = {
    ...seen,
    plan: next.plan.name,
    duty,
    heat,
    deviceLimit,
    budget,
    at,
    changedAt,
    raisedAt,
    dwell,
  };
  return { plan: next.plan, duty, why: whyOf(next, rated, state, any, limits), state };
}

/** Takes over what the engine measured. */
function observe(last: GovernorState, { steps, at }: GovernorSignals, plans: readonly Plan[]): GovernorState {
  const plan = plans.find(({ name }) => name === steps?.plan);
  if (!steps || !plan || !(steps.count > 0) || !(steps.seconds > 0)) return last;
  const factor = steps.seconds / plan.seconds;
  const own = observeSlowdown(last.slowdowns[plan.name], factor, at);
  const slowdowns = { ...last.slowdowns, [plan.name]: own };
  const expected = last.duty * plan.watts;
  const scale = steps.watts !== undefined && steps.watts > 0 && expected > 0 ? steps.watts / expected : undefined;
  return {
    ...last,
    slowdowns,
    present: { ...own, threads: plan.threads },
    wattScale: scale === undefined ? last.wattScale : mix(last.wattScale, Math.min(20, Math.max(0.05, scale)), 0.2),
  };
}

/** The device's limit. Where a reading has none, the last one stays in force. */
function deviceLimitOf(last: GovernorState, { temperature }: Signals): number | undefined {
  const limit = temperature?.value.limit;
  return limit !== undefined && Number.isFinite(limit) ? limit : last.deviceLimit;
}

/** Degrees Celsius that must not be exceeded: the lower one of the application's and the device's limit. Infinity: neither exists. */
const hottest = ({ maxTemperature }: AdaptLimits, deviceLimit: number | undefined): number =>
  Math.min(...[maxTemperature, deviceLimit].filter((each): each is number => Number.isFinite(each)));

/** A temperature that vanishes leaves the last budget in force. */
function heatOf(last: GovernorState, { temperature, at }: GovernorSignals, limit: number): HeatState | undefined {
  if (!temperature || !Number.isFinite(temperature.value.celsius)) return last.heat;
  return Number.isFinite(limit) ? heatBudget(last.heat, temperature.value.celsius, limit, at) : undefined;
}

function heatAllowance(heat: HeatState | undefined, at: number, limit: number): Allowance | undefined {
  if (!heat) return undefined;
  const of = Number.isFinite(limit) ? ` of ${limit.toFixed(0)} °C` : '';
  const what =
    heat.at === at ? `${heat.celsius.toFixed(1)} °C${of}` : `the last temperature, ${heat.celsius.toFixed(1)} °C`;
  return { share: heat.budget, why: what, isHard: true };
}

/** Battery, visibility, load and the power limit. */
function allowancesOf(
  { battery, lowPower, hidden, pressure }: GovernorSignals,
  { prefer = 'balanced', maxWatts }: AdaptLimits,
  wattScale: number,
  highest: number,
): Allowance[] {
  const found: Allowance[] = [];
  const add = (share: number, why: string, isHard = false) => found.push({ share: Math.min(1, share), why, isHard });
  if (maxWatts !== undefined) add(maxWatts / wattScale / highest, `at most ${maxWatts} W`, true);
  if (battery && !battery.value.isCharging && prefer !== 'speed') {
    const { level } = battery.value;
    const percent = `battery at ${(100 * level).toFixed(0)}%`;
    if (level < 0.1) add(0.3, percent);
    else if (level < 0.2) add(0.6, percent);
  }
  if (prefer === 'battery') add(0.6, 'energy before speed');
  if (lowPower?.value) add(0.6, 'low-power mode');
  if (hidden?.value) add(0.5, 'the page is hidden');
  // own work counts in it, so only the last state says that others suffer
  if (pressure?.value === 'critical') add(0.75, 'the processor is under critical pressure');
  return found;
}

const NOTHING: Allowance = { share: 1, why: '', isHard: false };

function smallest(allowances: readonly Allowance[]): Allowance {
  return allowances.reduce((a, b) => (b.share < a.share ? b : a), NOTHING);
}

interface Rated {
  readonly plan: Plan;
  /** Expected seconds of a token now, without pauses. */
  readonly seconds: number;
  /** Seconds that 95% of the tokens stay below. */
  readonly almostAll: number;
  readonly meetsDeadline: boolean;
}

function rate(plan: Plan, { slowdowns, present }: GovernorState, at: number, { deadlineMs }: AdaptLimits): Rated {
  const { mean, deviation } = slowdownNow(slowdowns[plan.name], present, plan.threads, at);
  const almostAll = plan.seconds * (mean + DEVIATIONS * deviation);
  const meetsDeadline = deadlineMs === undefined || 1000 * almostAll <= deadlineMs;
  return { plan, seconds: plan.seconds * mean, almostAll, meetsDeadline };
}

/** Tokens per second within a power. */
const speedOf = ({ plan, seconds }: Rated, watts: number): number => Math.min(1, watts / plan.watts) / seconds;

/** The best plan within a power: quality first among those that meet the deadline, then speed or energy. */
function choose(rated: readonly Rated[], watts: number, limits: AdaptLimits, signals: Signals): Rated {
  const meeting = rated.filter((each) => each.meetsDeadline && isInTime(each, watts, limits));
  if (meeting.length === 0 && limits.deadlineMs !== undefined) return best(rated, (each) => -each.almostAll);
  const quality = bestQuality(meeting, watts, limits);
  const good = meeting.filter(({ plan }) => plan.quality === quality);
  const quota = signals.quota?.value;
  const allowed =
    quota === undefined ? good : good.filter(({ plan }) => plan.threads <= Math.max(1, Math.floor(quota)));
  const candidates = allowed.length > 0 ? allowed : [best(good, ({ plan }) => -plan.threads)];
  return best(candidates, (each) => merit(each, watts, limits));
}

/** The best quality that reaches the floor within a power; where none does, that of the fastest plan. */
function bestQuality(meeting: readonly Rated[], watts: number, { floor }: AdaptLimits): number {
  const quick = floor === undefined ? meeting : meeting.filter((each) => speedOf(each, watts) >= floor);
  if (quick.length === 0) return best(meeting, (each) => speedOf(each, watts)).plan.quality;
  return Math.max(...quick.map(({ plan }) => plan.quality));
}

/** With a deadline, pauses count too: a token waits for its share of them. */
function isInTime(each: Rated, watts: number, { deadlineMs }: AdaptLimits): boolean {
  return deadlineMs === undefined || (1000 * each.almostAll) / Math.min(1, watts / each.plan.watts) <= deadlineMs;
}

function merit(each: Rated, watts: number, { prefer, floor = 0 }: AdaptLimits): number {
  const speed = speedOf(each, watts);
  if (prefer !== 'battery') return speed;
  const perJoule = 1 / (each.seconds * each.plan.watts);
  return speed >= floor ? 1e9 + perJoule : speed;
}

/** The highest score; of equal ones the least power. */
function best(rated: readonly Rated[], score: (each: Rated) => number): Rated {
  return rated.reduce((a, b) => {
    const [left, right] = [score(a), score(b)];
    return right > left || (right === left && b.plan.watts < a.plan.watts) ? b : a;
  });
}

/** Keeps the present plan unless another one is worth a change, and changes are not too frequent. */
function dwelling(
  last: GovernorState,
  at: number,
  current: Rated | undefined,
  pick: Rated,
  watts: number,
  limits: AdaptLimits,
): { next: Rated; changedAt: number; raisedAt: number; dwell: number } {
  const stay = { changedAt: last.changedAt, raisedAt: last.raisedAt, dwell: last.dwell };
  if (!current) return { ...stay, next: pick, changedAt: at };
  if (pick.plan.name === current.plan.name) return { ...stay, next: current };
  const isBetter = pick.plan.quality > current.plan.quality;
  const isRise = pick.plan.watts > current.plan.watts || isBetter;
  const missesDeadline = !current.meetsDeadline && pick.meetsDeadline;
  const isWorth = missesDeadline || isBetter || merit(pick, watts, limits) >= GAIN * merit(current, watts, limits);
  const wait = isRise ? Math.max(DWELL_DOWN, last.dwell) : DWELL_DOWN;
  const since = at - (isRise ? Math.max(last.changedAt, last.raisedAt) : last.changedAt);
  if (!isWorth || since < wait) return { ...stay, next: current };
  if (isRise) return { ...stay, next: pick, changedAt: at, raisedAt: at };
  const isRegretted = at - last.raisedAt < REGRET;
  const dwell = isRegretted ? Math.min(MAX_DWELL, 2 * last.dwell) : last.dwell;
  return { next: pick, changedAt: at, raisedAt: last.raisedAt, dwell };
}

/** The share of time that brings the plan's power to what is allowed; soft limiters leave the floor. */
function dutyOf(
  { plan, seconds }: Rated,
  any: Allowance,
  hard: Allowance,
  highest: number,
  limits: AdaptLimits,
): number {
  const within = ({ share }: Allowance) => Math.min(1, (share * highest) / plan.watts);
  const floor = Math.min(limits.floor === undefined ? 0 : limits.floor * seconds, within(hard));
  return Math.min(1, Math.max(MIN_DUTY, within(any), floor));
}

function whyOf(
  next: Rated,
  rated: readonly Rated[],
  state: GovernorState,
  any: Allowance,
  limits: AdaptLimits,
): string {
  const { duty } = state;
  const how = `${next.plan.name}${duty < 0.995 ? `, ${(100 * duty).toFixed(0)}% of the time` : ''}`;
  const reasons = [
    ...(any.share < 1 ? [any.why] : []),
    ...aboutDeadline(next, rated, duty, limits),
    ...aboutFloor(next, duty, limits),
    ...(lacksThermometer(state, limits)
      ? [`maxTemperature of ${limits.maxTemperature} °C cannot be kept: no thermometer is readable`]
      : []),
  ];
  return `${how}: ${reasons.length > 0 ? reasons.join('; ') : 'nothing limits it'}`;
}

/** True if `maxTemperature` cannot be kept, because no thermometer was readable for a while. Browsers and most VMs have none. */
export function lacksThermometer({ heat, at }: GovernorState, { maxTemperature }: AdaptLimits): boolean {
  return maxTemperature !== undefined && (heat === undefined || at - heat.at > SILENCE);
}

/** A token waits for its share of the pauses. */
function aboutDeadline(next: Rated, rated: readonly Rated[], duty: number, { deadlineMs }: AdaptLimits): string[] {
  if (deadlineMs === undefined) return [];
  const inPractice = (1000 * next.almostAll) / duty;
  if (inPractice <= deadlineMs) return [`95% of the tokens in ${inDigits(inPractice)} ms of ${deadlineMs}`];
  if (rated.some(({ meetsDeadline }) => meetsDeadline)) {
    const pauses = duty < 1 ? ' with pauses' : '';
    return [`95% of the tokens in ${inDigits(inPractice)} ms${pauses}, later than ${deadlineMs} ms`];
  }
  const fastest = 1000 * Math.min(...rated.map(({ almostAll }) => almostAll));
  const pauses = duty < 1 ? `, with pauses ${inDigits(fastest / duty)} ms` : '';
  return [`no plan meets ${deadlineMs} ms: the fastest takes ${inDigits(fastest)} ms${pauses}`];
}

function aboutFloor(next: Rated, duty: number, { floor }: AdaptLimits): string[] {
  const speed = duty / next.seconds;
  // rounding is no miss
  if (floor === undefined || speed >= floor * (1 - 1e-6)) return [];
  return [`${inDigits(speed)} tokens/s, less than the floor of ${floor}`];
}

/** Three digits are enough for people. */
const inDigits = (value: number): number => Number(value.toPrecision(3));

const mix = (a: number, b: number, share: number): number => a + Math.min(1, share) * (b - a);
