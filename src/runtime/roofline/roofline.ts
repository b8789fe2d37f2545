/** The roofline model (Williams, Waterman, Patterson 2009): work is bounded by memory bandwidth or by arithmetic. */

/** Work of a kernel in one step. */
export interface Work {
  /** Bytes read from memory, not from caches. */
  readonly bytes: number;
  readonly multiplyAdds: number;
}

/** Peak rates of the device. */
export interface Ceilings {
  readonly bytesPerSecond: number;
  readonly multiplyAddsPerSecond: number;
}

export interface Bound {
  /** Lower bound of the time. */
  readonly seconds: number;
  /** The bottleneck. */
  readonly by: 'memory' | 'arithmetic';
}

export function boundOf({ bytes, multiplyAdds }: Work, ceilings: Ceilings): Bound {
  const reading = bytes / ceilings.bytesPerSecond;
  const computing = multiplyAdds / ceilings.multiplyAddsPerSecond;
  return reading >= computing ? { seconds: reading, by: 'memory' } : { seconds: computing, by: 'arithmetic' };
}
