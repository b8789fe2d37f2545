/** Load, frequency and limits of the processors on Linux: /proc/pressure, /proc/stat, cgroups, cpufreq, /proc/meminfo. */
import { type FileTree, numberIn } from './fileTree.ts';
import type { Signal } from './signals.ts';

/** Growth of a counter by the time in which it grew. The first reading only starts it. */
class Share {
  #last: { readonly counter: number; readonly time: number } | undefined;

  /** @returns 0 … 1; undefined for the first reading, and where the counter or its time went back */
  of(counter: number, time: number): number | undefined {
    const last = this.#last;
    this.#last = { counter, time };
    if (!last || !(time > last.time) || counter < last.counter) return undefined;
    return Math.min(1, (counter - last.counter) / (time - last.time));
  }
}

export class Processors {
  readonly #tree: FileTree;
  readonly #steal = new Share();
  readonly #throttled = new Share();

  constructor(tree: FileTree) {
    this.#tree = tree;
  }

  /** PSI's share of the last ten seconds. */
  async stall(): Promise<Signal<number> | undefined> {
    const text = await this.#tree.text('proc/pressure/cpu');
    const percent = Number(/^some .*avg10=([\d.]+)/m.exec(text ?? '')?.[1] ?? Number.NaN);
    return percent >= 0 && percent <= 100 ? { value: percent / 100, source: '/proc/pressure/cpu' } : undefined;
  }

  async steal(): Promise<Signal<number> | undefined> {
    const text = await this.#tree.text('proc/stat');
    const fields = (/^cpu\s+([\d ]+)$/m.exec(text ?? '')?.[1] ?? '').trim().split(/\s+/).map(Number);
    if (fields.length < 8 || fields.some((field) => !Number.isFinite(field))) return undefined;
    // user nice system idle iowait irq softirq steal; guests are part of user
    const total = fields.slice(0, 8).reduce((sum, field) => sum + field, 0);
    const value = this.#steal.of(fields[7], total);
    return value === undefined ? undefined : { value, source: '/proc/stat' };
  }

  /** Processors of the quota of this container, cgroup v2 or v1. */
  async quota(): Promise<Signal<number> | undefined> {
    const [most, period] = ((await this.#tree.text('sys/fs/cgroup/cpu.max')) ?? '').trim().split(/\s+/);
    if (Number(most) > 0 && Number(period) > 0)
      return { value: Number(most) / Number(period), source: 'cgroup cpu.max' };
    const quota = await numberIn(this.#tree, 'sys/fs/cgroup/cpu/cpu.cfs_quota_us', 1);
    const every = await numberIn(this.#tree, 'sys/fs/cgroup/cpu/cpu.cfs_period_us', 1);
    return quota && every ? { value: quota / every, source: 'cgroup cpu.cfs_quota_us' } : undefined;
  }

  async throttled(): Promise<Signal<number> | undefined> {
    const versions = ['sys/fs/cgroup/cpu.stat', 'sys/fs/cgroup/cpu/cpu.stat'];
    for (const path of versions) {
      const text = (await this.#tree.text(path)) ?? '';
      const [, throttled] = /^nr_throttled (\d+)$/m.exec(text) ?? [];
      const [, periods] = /^nr_periods (\d+)$/m.exec(text) ?? [];
      if (throttled === undefined || periods === undefined) continue;
      const value = this.#throttled.of(Number(throttled), Number(periods));
      return value === undefined ? undefined : { value, source: 'cgroup cpu.stat' };
    }
    return undefined;
  }

  /** Mean clock of the processors by their highest one. */
  async clock(): Promise<Signal<number> | undefined> {
    const folder = 'sys/devices/system/cpu';
    const shares: number[] = [];
    for (const name of await this.#tree.list(folder)) {
      if (!/^cpu\d+$/.test(name)) continue;
      const path = `${folder}/${name}/cpufreq`;
      const now = await numberIn(this.#tree, `${path}/scaling_cur_freq`, 1);
      const most = await numberIn(this.#tree, `${path}/cpuinfo_max_freq`, 1);
      if (now !== undefined && most !== undefined) shares.push(Math.min(1, now / most));
    }
    if (shares.length === 0) return undefined;
    return { value: shares.reduce((sum, share) => sum + share, 0) / shares.length, source: 'cpufreq/scaling_cur_freq' };
  }

  async loadAverage(processors: number): Promise<Signal<number> | undefined> {
    const value = Number.parseFloat((await this.#tree.text('proc/loadavg')) ?? '');
    return value >= 0 ? { value: value / Math.max(1, processors), source: '/proc/loadavg' } : undefined;
  }

  async memory(): Promise<{ readonly free?: Signal<number>; readonly total?: Signal<number> }> {
    const text = (await this.#tree.text('proc/meminfo')) ?? '';
    const bytes = (name: string): Signal<number> | undefined => {
      const [, kibibytes] = new RegExp(`^${name}:\\s+(\\d+) kB$`, 'm').exec(text) ?? [];
      return kibibytes === undefined ? undefined : { value: Number(kibibytes) * 1024, source: `/proc/meminfo ${name}` };
    };
    return { free: bytes('MemAvailable'), total: bytes('MemTotal') };
  }
}
