/**
 * Measures the FMA peak, alternating with the work and for the same time. A short burst between
 * two pieces of work would measure the host at another moment than the work itself.
 */
export class Peak {
  #probe;
  #bursts = 0;
  /** Seconds per flop of all bursts; they do the same work. */
  #secondsPerFlop = 0;

  /** @param {import('../src/backends/wasm/index.ts').Probe} probe */
  constructor(probe) {
    this.#probe = probe;
  }

  /** @param {number} seconds minimum duration */
  measure(seconds) {
    const end = performance.now() + seconds * 1000;
    do {
      this.#secondsPerFlop += 1 / (2 * this.#probe.addProducts('floats'));
      this.#bursts++;
    } while (performance.now() < end);
  }

  get flopsPerSecond() {
    return this.#bursts / this.#secondsPerFlop;
  }
}
