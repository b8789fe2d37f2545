/** The roofline model (Williams, Waterman, Patterson 2009): work is bounded by what it reads or by what it computes. */

/** What a kernel does in one step. */
export interface Work {
  /** Of memory that no cache holds. */
  readonly bytes: number;
  readonly multiplyAdds: number;
}

/** What the device does at most. */
export interface Ceilings {
  readonly bytesPerSecond: number;
  readonly multiplyAddsPerSecond: number;
}

export interface Bound {
  /** Work cannot be done in less. */
  readonly seconds: number;
  /** Why not. */
  readonly by: 'memory' | 'arithmetic';
}

export function boundOf({ bytes, multiplyAdds }: Work, ceilings: Ceilings): Bound {
  const reading = bytes / ceilings.bytesPerSecond;
  const computing = multiplyAdds / ceilings.multiplyAddsPerSecond;
  return reading >= computing ? { seconds: reading, by: 'memory' } : { seconds: computing, by: 'arithmetic' };
}
