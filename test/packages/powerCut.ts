/** A cut of the power, or the end of a process, at a certain operation of a file system. */
export class PowerCut extends Error {}

export class Operations {
  /** Number of operations until now. */
  count = 0;
  readonly #cutAt: number;

  constructor(cutAt = Number.POSITIVE_INFINITY) {
    this.#cutAt = cutAt;
  }

  /** Counts a change. @param torn what the operation leaves of its effect if the cut falls on it */
  change(torn?: () => void): void {
    this.alive();
    if (this.count++ < this.#cutAt) return;
    torn?.();
    throw new PowerCut('the power failed');
  }

  /** Reads fail after the cut, too. */
  alive(): void {
    if (this.count > this.#cutAt) throw new PowerCut('the power failed');
  }
}

/** Rest of a file whose bytes had not reached the disk: any mixture of them and of what a file system puts in their place. */
export function tear(bytes: Uint8Array, how: number): Uint8Array {
  const half = bytes.slice(0, bytes.length >> 1);
  if (how % 3 === 0) return new Uint8Array(0);
  if (how % 3 === 1) return half;
  const zeros = new Uint8Array(bytes.length);
  zeros.set(half);
  return zeros;
}
