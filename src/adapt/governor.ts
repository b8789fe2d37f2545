/**
 * Decides how a model runs: a pure function of the last state, the signals, the limits and the plans. Each limiter allows some power;
 * the smallest counts. The share of time that is computed follows it at once; the plan changes rarely.
 */
import { OptionError } from '../core/errors.ts';
import { type Allowance, type Budget, budgetOf } from './allowances.ts';
import { choose, isWorth, MIN_DUTY, type Rated, type Room, shareWithin } from './choosePlan.ts';
import { explain } from './explain.ts';
import { type HeatState, heatBudget } from './heat.ts';
import type { AdaptLimits } from './limits.ts';
import type { Decision, Plan } from './plan.ts';
import { type ObservedPower, type PowerState, regulatePower } from './power.ts';
import type { Signals } from './sensors/signals.ts';
import { observeSlowdown, type SharedSlowdown, type Slowdown, slowdownNow } from './slowdown.ts';

/** Measurements of the engine since the last decision. */
export interface ObservedSteps {
  /** Name of the plan that ran. */
  readonly plan: string;
  /** Median of the seconds that a stream waited for its next tokens, without pauses: other streams, drafts and exits count. */
  readonly seconds: number;
  /** Mean number of tokens that came at once. Default 1. */
  readonly burst?: number;
  readonly count: number;
}

export interface GovernorSignals extends Signals {
  readonly steps?: ObservedSteps;
  /** Undefined: the device does not tell. */
  readonly power?: ObservedPower;
}

/** Everything that the governor remembers. Plain values. */
export interface GovernorState {
  readonly plan?: string;
  readonly duty: number;
  readonly heat?: HeatState;
  /** Last limit that the device named, in degrees Celsius. */
  readonly deviceLimit?: number;
  /** Undefined: without `maxWatts`, or before any power was measured. */
  readonly power?: PowerState;
  /** Budget of all limiters and of the hard ones in shares of the highest power, averaged slowly. */
  readonly budget: number;
  readonly hardBudget: number;
  readonly slowdowns: Readonly<Record<string, Slowdown>>;
  /** That of the plan that ran last. */
  readonly present?: SharedSlowdown;
  /** Mean number of tokens that come at once. */
  readonly burst: number;
  readonly at: number;
  /** When the plan changed last, and when it changed to one that needs more power. */
  readonly changedAt: number;
  readonly raisedAt: number;
  /** Milliseconds without a rise. It doubles when a rise had to be taken back. */
  readonly dwell: number;
}

/** Milliseconds between changes to less power, and to more. */
export const DWELL_DOWN = 4000;
const DWELL_UP = 30_000;
const MAX_DWELL = 16 * 60_000;
/** A rise that is taken back within this many milliseconds is regretted. */
const REGRET = 60_000;
/** Seconds of the average by which plans are chosen. */
const AVERAGE = 50;
/** Deviations that a deadline leaves room for: 95% of the tokens. */
const DEVIATIONS = 2;
/** Weight of a new number of tokens that come at once, and the largest one that is believed. */
const [BURST_GAIN, MOST_BURST] = [0.3, 64];

export function startState(at: number): GovernorState {
  return {
    duty: 1,
    budget: 1,
    hardBudget: 1,
    slowdowns: {},
    burst: 1,
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
  const powers = plans.map(({ power }) => power.value);
  const [lowest, highest] = [Math.min(...powers), Math.max(...powers)];
  const seen = observe(last, { ...signals, at }, limits, plans, [(MIN_DUTY * lowest) / 2, highest]);
  const deviceLimit = deviceLimitOf(last, signals);
  const limit = hottest(limits, deviceLimit);
  const heat = heatOf(last, { ...signals, at }, limit);
  const budget = budgetOf({ ...signals, at }, limits, { heat, power: seen.power }, highest, limit);
  const seconds = last.plan === undefined ? Number.POSITIVE_INFINITY : Math.min(60, (at - last.at) / 1000);
  const averaged = {
    any: averageOf(last.budget, budget.any, seconds),
    hard: averageOf(last.hardBudget, budget.hard, seconds),
  };
  const room: Room = {
    any: averaged.any * highest,
    hard: averaged.hard * highest,
    now: budget.hard.share * highest,
  };
  const rated = plans.map((plan) => rate(plan, seen, at));
  const pick = choose(rated, room, limits, signals);
  const current = rated.find(({ plan }) => plan.name === last.plan);
  const { next, changedAt, raisedAt, dwell } = dwelling(last, at, current, pick, room, limits);
  const duty = dutyOf(next, budget, highest, limits);
  const state: GovernorState = {
    ...seen,
    plan: next.plan.name,
    duty,
    heat,
    deviceLimit,
    budget: averaged.any,
    hardBudget: averaged.hard,
    at,
    changedAt,
    raisedAt,
    dwell,
  };
  const decided = { next, rated, duty, at, heat, power: seen.power, budget, highest, hottest: limit };
  return { plan: next.plan, duty, ...explain(decided, limits), state };
}

/** Takes over what was measured. @param range least and most watts that can be allowed */
function observe(
  last: GovernorState,
  { steps, power, at }: GovernorSignals,
  { maxWatts }: AdaptLimits,
  plans: readonly Plan[],
  range: readonly [number, number],
): GovernorState {
  const regulated = maxWatts === undefined || !power ? last.power : regulatePower(last.power, power, maxWatts, range);
  const plan = plans.find(({ name }) => name === steps?.plan);
  if (!steps || !plan || !(steps.count > 0) || !(steps.seconds > 0)) return { ...last, power: regulated };
  const own = observeSlowdown(last.slowdowns[plan.name], steps.seconds / plan.seconds, at);
  const { burst = 1 } = steps;
  return {
    ...last,
    power: regulated,
    slowdowns: { ...last.slowdowns, [plan.name]: own },
    present: { ...own, threads: plan.threads },
    burst: burst >= 1 && burst <= MOST_BURST ? mix(last.burst, burst, BURST_GAIN) : last.burst,
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

/** Faster where power must fall, slowly where it may rise. */
function averageOf(last: number, { share, limit }: Allowance, seconds: number): number {
  const part = 1 - Math.exp(-seconds / AVERAGE);
  return mix(last, share, share < last && limit ? 2 * part : part);
}

function rate(plan: Plan, { slowdowns, present, burst }: GovernorState, at: number): Rated {
  const { mean, deviation } = slowdownNow(slowdowns[plan.name], present, plan.threads, at);
  return {
    plan,
    seconds: plan.seconds * mean,
    burst,
    almostAll: plan.seconds * (mean + DEVIATIONS * deviation),
  };
}

/** Keeps the present plan unless another one is worth a change, and changes are not too frequent. */
function dwelling(
  last: GovernorState,
  at: number,
  current: Rated | undefined,
  pick: Rated,
  room: Room,
  limits: AdaptLimits,
): { next: Rated; changedAt: number; raisedAt: number; dwell: number } {
  const stay = { changedAt: last.changedAt, raisedAt: last.raisedAt, dwell: last.dwell };
  if (!current) return { ...stay, next: pick, changedAt: at };
  if (pick.plan.name === current.plan.name) return { ...stay, next: current };
  const isRise = pick.plan.power.value > current.plan.power.value || pick.plan.quality > current.plan.quality;
  const wait = isRise ? Math.max(DWELL_DOWN, last.dwell) : DWELL_DOWN;
  const since = at - (isRise ? Math.max(last.changedAt, last.raisedAt) : last.changedAt);
  if (since < wait || !isWorth(pick, current, room, limits)) return { ...stay, next: current };
  if (isRise) return { ...stay, next: pick, changedAt: at, raisedAt: at };
  const isRegretted = at - last.raisedAt < REGRET;
  const dwell = isRegretted ? Math.min(MAX_DWELL, 2 * last.dwell) : last.dwell;
  return { next: pick, changedAt: at, raisedAt: last.raisedAt, dwell };
}

/** The share of time that brings the plan's power to what is allowed. Soft limiters leave the floor and the deadline, hard ones do not. */
function dutyOf(next: Rated, { any, hard }: Budget, highest: number, { floor, deadlineMs }: AdaptLimits): number {
  const wanted = Math.max(
    shareWithin(next, any.share * highest),
    floor === undefined ? 0 : (floor * next.seconds) / next.burst,
    deadlineMs === undefined ? 0 : (1000 * next.almostAll) / deadlineMs,
  );
  return Math.max(MIN_DUTY, Math.min(1, wanted, shareWithin(next, hard.share * highest)));
}

const mix = (a: number, b: number, share: number): number => a + Math.min(1, share) * (b - a);
