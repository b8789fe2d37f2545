/** Sensors that read /sys and /proc. They start no process. */

import type { FileTree } from './fileTree.ts';
import { batteryOf } from './powerSupply.ts';
import { Processors } from './processors.ts';
import { Rapl } from './rapl.ts';
import type { Sensors, Signal, Signals } from './signals.ts';
import { temperatureOf } from './thermal.ts';

export interface HostFacts {
  readonly processors: number;
  readonly loadAverage: number | undefined;
  readonly memory: number | undefined;
  readonly freeMemory: number | undefined;
}

/** @param hostFacts what the runtime knows by itself, for systems without these files */
export function fileSensors(
  tree: FileTree,
  hostFacts: () => HostFacts,
  now: () => number = () => performance.now(),
): Sensors {
  const rapl = new Rapl(tree);
  const processors = new Processors(tree);
  return {
    async read(): Promise<Signals> {
      const host = hostFacts();
      const [temperature, battery, energy, stall, steal, quota, throttled, clock, loadFile, memory] = await Promise.all(
        [
          temperatureOf(tree),
          batteryOf(tree),
          rapl.read(),
          processors.stall(),
          processors.steal(),
          processors.quota(),
          processors.throttled(),
          processors.clock(),
          processors.loadAverage(host.processors),
          processors.memory(),
        ],
      );
      const perProcessor = host.loadAverage === undefined ? undefined : host.loadAverage / Math.max(1, host.processors);
      return known({
        at: now(),
        temperature,
        battery,
        energy,
        stall,
        steal,
        quota,
        throttled,
        clock,
        load: loadFile ?? fromHost(perProcessor, 'os.loadavg()'),
        freeMemory: memory.free ?? fromHost(host.freeMemory, 'os.freemem()'),
        memory: memory.total ?? fromHost(host.memory, 'os.totalmem()'),
      });
    },
  };
}

function fromHost(value: number | undefined, source: string): Signal<number> | undefined {
  return value === undefined ? undefined : { value, source };
}

/** Leaves out what is unknown. */
export function known(signals: Signals): Signals {
  return Object.fromEntries(Object.entries(signals).filter(([, value]) => value !== undefined)) as unknown as Signals;
}
