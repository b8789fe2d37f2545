/**
 * Chooses among the plans. Limits count in one order: first that the power of a plan can be lowered to what temperature and `maxWatts` allow,
 * then `floor`, then `deadlineMs`, then quality, then speed or energy. A limit that no plan reaches leaves the plans that come nearest.
 */
import type { AdaptLimits } from './limits.ts';
import type { Plan } from './plan.ts';
import type { Signals } from './sensors/signals.ts';

/** Lowest duty: a sensor that lies must not stop the text for ever. */
export const MIN_DUTY = 0.05;
/** A plan must be faster by this factor to replace the present one. */
const GAIN = 1.1;

export interface Rated {
  readonly plan: Plan;
  /** Seconds that a stream waits for its next tokens now, without pauses. */
  readonly seconds: number;
  /** Tokens that come at once: more than one with drafts. */
  readonly burst: number;
  /** Seconds that 95% of the tokens stay below. */
  readonly almostAll: number;
}

/** Watts of the plans' assumptions. */
export interface Room {
  /** What all limiters allow, and what the hard ones allow, averaged over time. */
  readonly any: number;
  readonly hard: number;
  /** What the hard ones allow now. */
  readonly now: number;
}

/** Share of time that brings a plan to a power. */
export const shareWithin = ({ plan }: Rated, watts: number): number => Math.min(1, watts / plan.power.value);

/** Tokens per second of a stream within a power. */
export const speedOf = (each: Rated, watts: number): number => (shareWithin(each, watts) * each.burst) / each.seconds;

/** True if pauses can bring the plan's power to what is allowed now. */
const isWithin = ({ plan }: Rated, { now }: Room): boolean => MIN_DUTY * plan.power.value <= now;

const reachesFloor = (each: Rated, { hard }: Room, { floor }: AdaptLimits): boolean =>
  floor === undefined || speedOf(each, hard) >= floor;

/** Milliseconds of 95% of the tokens. Pauses count: a token waits for its share of them. */
const latencyOf = (each: Rated, { hard }: Room): number => (1000 * each.almostAll) / shareWithin(each, hard);

const meetsDeadline = (each: Rated, room: Room, { deadlineMs }: AdaptLimits): boolean =>
  deadlineMs === undefined || latencyOf(each, room) <= deadlineMs;

export function choose(rated: readonly Rated[], room: Room, limits: AdaptLimits, { quota }: Signals): Rated {
  const within = orNearest(
    rated,
    (each) => isWithin(each, room),
    ({ plan }) => -plan.power.value,
  );
  const quick = orNearest(
    within,
    (each) => reachesFloor(each, room, limits),
    (each) => speedOf(each, room.hard),
  );
  const inTime = orNearest(
    quick,
    (each) => meetsDeadline(each, room, limits),
    (each) => -latencyOf(each, room),
  );
  const quality = Math.max(...inTime.map(({ plan }) => plan.quality));
  const good = inTime.filter(({ plan }) => plan.quality === quality);
  const most = quota === undefined ? Number.POSITIVE_INFINITY : Math.max(1, Math.floor(quota.value));
  const allowed = orNearest(
    good,
    ({ plan }) => plan.threads <= most,
    ({ plan }) => -plan.threads,
  );
  return best(allowed, (each) => merit(each, room, limits));
}

/** Those that pass, or the one with the highest score. */
function orNearest(
  rated: readonly Rated[],
  passes: (each: Rated) => boolean,
  score: (each: Rated) => number,
): readonly Rated[] {
  const passing = rated.filter(passes);
  return passing.length > 0 ? passing : [best(rated, score)];
}

/** True if a plan is enough better than the present one to replace it. */
export function isWorth(pick: Rated, current: Rated, room: Room, limits: AdaptLimits): boolean {
  const checks = [isWithin, reachesFloor, meetsDeadline];
  for (const passes of checks) {
    const gained = Number(passes(pick, room, limits)) - Number(passes(current, room, limits));
    if (gained !== 0) return gained > 0;
  }
  return pick.plan.quality > current.plan.quality || merit(pick, room, limits) >= GAIN * merit(current, room, limits);
}

function merit(each: Rated, room: Room, limits: AdaptLimits): number {
  const speed = speedOf(each, room.any);
  if (limits.prefer !== 'battery') return speed;
  const perJoule = each.burst / (each.seconds * each.plan.power.value);
  return reachesFloor(each, room, limits) ? 1e9 + perJoule : speed;
}

/** The highest score; of equal ones the least power. */
function best(rated: readonly Rated[], score: (each: Rated) => number): Rated {
  return rated.reduce((a, b) => {
    const [left, right] = [score(a), score(b)];
    return right > left || (right === left && b.plan.power.value < a.plan.power.value) ? b : a;
  });
}
