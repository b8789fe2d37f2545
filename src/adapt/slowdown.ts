/**
 * The factor by which steps are slower now than when they were measured: other processes, a lower clock, a deeper context. ALERT (Wan et
 * al. 2020) tracks it with a Kalman filter; here it adapts at once to a jump that stays, because its input is a median.
 */
export interface Slowdown {
  readonly mean: number;
  readonly deviation: number;
  /** Milliseconds of the last observation. */
  readonly at: number;
}

/** Weight of a new median of steps. */
const GAIN = 0.5;
/** Seconds after which a factor that is not observed any more counts for nothing. */
const FORGOTTEN = 60;
/** Factors beyond these are clocks that were set, or a device that slept. */
const [LEAST, MOST] = [0.01, 1000];
/** Deviation of a factor that was never observed. */
const UNKNOWN = 0.05;

export function observeSlowdown(last: Slowdown | undefined, factor: number, at: number): Slowdown {
  if (!(factor >= LEAST && factor <= MOST)) return last ?? { mean: 1, deviation: UNKNOWN, at };
  if (!last) return { mean: factor, deviation: UNKNOWN * factor, at };
  const error = factor - last.mean;
  return {
    mean: last.mean + GAIN * error,
    deviation: Math.sqrt((1 - GAIN) * last.deviation ** 2 + GAIN * (1 - GAIN) * error ** 2),
    at,
  };
}

/** The last observed factor, and the threads with which it was observed. */
export interface SharedSlowdown extends Slowdown {
  readonly threads: number;
}

/** The factor of a plan now: an old one fades towards what the factor of the present plan says of this one. */
export function slowdownNow(
  own: Slowdown | undefined,
  present: SharedSlowdown | undefined,
  threads: number,
  at: number,
): Slowdown {
  const shared = present ? translated(present, threads, at) : { mean: 1, deviation: UNKNOWN, at };
  if (!own) return shared;
  const share = Math.exp(-Math.max(0, at - own.at) / 1000 / FORGOTTEN);
  const mix = (a: number, b: number) => share * a + (1 - share) * b;
  return { mean: mix(own.mean, shared.mean), deviation: mix(own.deviation, shared.deviation), at };
}

/**
 * Threads wait for each other at every node, so another process slows down a plan of many threads more than one of few. How much is
 * only known after a try: this is the guess that makes one worth it.
 */
function translated({ mean, deviation, threads: observed }: SharedSlowdown, threads: number, at: number): Slowdown {
  const share = Math.min(1, threads / observed) ** 2;
  return { mean: 1 + (mean - 1) * (mean > 1 ? share : 1), deviation: deviation * share, at };
}
