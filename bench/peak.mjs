/**
 * The FMA peak beside which work is held: by turns with it and for as long. What a burst of a millisecond reaches between
 * two pieces of work is what the host had left then, which is another thing than what it had while the work ran.
 */
export class Peak {
  #probe;
  #bursts = 0;
  /** Of all bursts, each for one flop: they do the same work. */
  #secondsPerFlop = 0;

  /** @param {import('../src/backends/wasm/index.ts').Probe} probe */
  constructor(probe) {
    this.#probe = probe;
  }

  /** @param {number} seconds at least so long */
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
