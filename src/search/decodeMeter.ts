/** Costs of a token by the formats of a model's matrices, for `quantize` with a limit on time or energy. */
import { modelledEnergy } from '../adapt/index.ts';
import type { DecodeMeter, TokenCost } from '../compress/decodeCosts.ts';
import { textOfFile } from '../formats/textOfFile.ts';
import type { CostTable } from './costTable.ts';
import { describedWorkCost } from './describedCost.ts';
import { type DeviceFile, readDeviceFile } from './deviceFile.ts';
import { type MeterOptions, meterDevice } from './meterDevice.ts';
import { measuredThreads, recoded, type WholeWork, wholeWork, workCost } from './stepCost.ts';

/** Tokens of the text before the predicted one. */
const DEPTH = 256;

/**
 * @param options for measuring this device
 * @returns a meter that measures the kernels of a model's formats, unless that was done before, or reads a device file
 */
export function decodeMeter(options: Pick<MeterOptions, 'folder' | 'milliseconds'> = {}): DecodeMeter {
  return async ({ graph, formats, device, threads, signal, onProgress }) => {
    const work = wholeWork(graph, { depth: DEPTH });
    if (device !== undefined) {
      const described = readDeviceFile(await textOfFile(device), device);
      return { device: described.name, tokenCost: (formatOf) => describedToken(described, recoded(work, formatOf)) };
    }
    const needed = [...new Set([...work.products.map(({ format }) => format), ...formats])].sort();
    const table = await meterDevice({
      ...{ ...options, formats: needed, threads: threads === undefined ? undefined : [threads], signal, onProgress },
    });
    return { device: table.device, tokenCost: (formatOf) => measuredToken(table, recoded(work, formatOf), threads) };
  };
}

/** Cost on a measured device. Energy is modelled. @param threads default: the number that is fastest */
export function measuredToken(table: CostTable, work: WholeWork, threads?: number): TokenCost {
  const counts = threads === undefined ? measuredThreads(table) : [threads];
  const all = counts.map((threads) => ({ threads, ...workCost(table, work, threads) }));
  const fastest = all.reduce((a, b) => (b.seconds < a.seconds ? b : a));
  return { seconds: fastest.seconds, joules: modelledEnergy(fastest) };
}

function describedToken(device: DeviceFile, work: WholeWork): TokenCost {
  const { seconds, joules, fits } = describedWorkCost(device, work);
  return { seconds: seconds.value, fits, ...(joules && { joules }) };
}
