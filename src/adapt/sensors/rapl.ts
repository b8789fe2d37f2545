/** Energy counters of Intel and AMD processors: /sys/class/powercap. Most systems let only root read them. */
import { type FileTree, numberIn } from './fileTree.ts';
import type { Energy, Signal } from './signals.ts';

const DOMAINS = 'sys/class/powercap';

interface Counter {
  readonly name: string;
  readonly path: string;
  readonly microjoules: number;
  /** The counter starts again at 0 above this. */
  readonly range: number;
}

/** Adds up the counters since it was created. */
export class Rapl {
  readonly #tree: FileTree;
  readonly #last = new Map<string, number>();
  #microjoules = 0;

  constructor(tree: FileTree) {
    this.#tree = tree;
  }

  async read(): Promise<Signal<Energy> | undefined> {
    const counters = await this.#counters();
    if (counters.length === 0) return undefined;
    for (const { path, microjoules, range } of counters) {
      const last = this.#last.get(path);
      this.#last.set(path, microjoules);
      if (last === undefined) continue;
      const spent = microjoules - last;
      // without a known range a counter that went back has lost the energy in between
      this.#microjoules += spent >= 0 ? spent : range > last ? spent + range : 0;
    }
    const domains = counters.map(({ name }) => name);
    return { value: { joules: this.#microjoules / 1e6, domains }, source: 'powercap/intel-rapl (RAPL)' };
  }

  /**
   * Packages, and memory beside them. Cores and graphics are parts of a package, psys contains it, and intel-rapl-mmio counts the
   * same package once more.
   */
  async #counters(): Promise<Counter[]> {
    const counters: Counter[] = [];
    for (const folder of await this.#tree.list(DOMAINS)) {
      if (!/^intel-rapl:\d+(:\d+)?$/.test(folder)) continue;
      const path = `${DOMAINS}/${folder}`;
      const name = (await this.#tree.text(`${path}/name`))?.trim() ?? '';
      if (!/^(package-\d+|dram)$/.test(name)) continue;
      const microjoules = await numberIn(this.#tree, `${path}/energy_uj`, 0);
      if (microjoules === undefined) continue;
      counters.push({
        name,
        path,
        microjoules,
        range: (await numberIn(this.#tree, `${path}/max_energy_range_uj`, 1)) ?? 0,
      });
    }
    return counters;
  }
}
