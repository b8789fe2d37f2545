/** The sensors of this machine. */
import { deviceFiles, hostFacts } from './deviceFiles.node.ts';
import { fileSensors } from './fileSensors.ts';
import type { Sensors } from './signals.ts';

/** @param root folder that contains `sys` and `proc`, such as a recorded copy. Default: those of this machine */
export function deviceSensors(root?: string): Sensors {
  // a recorded tree says nothing of the machine that reads it
  const host =
    root === undefined
      ? hostFacts
      : () => ({ ...hostFacts(), loadAverage: undefined, memory: undefined, freeMemory: undefined });
  return fileSensors(deviceFiles(root), host);
}
