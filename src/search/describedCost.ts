/** Cost of a model's step on a described device: the roofline of every product, overheads, and energy by counts, with bounds. */
import type { EnergyEstimate } from '../adapt/index.ts';
import type { Graph } from '../graph/graph.ts';
import { type DeviceFile, type Figure, type Range, rangeOf } from './deviceFile.ts';
import { type ProductShape, type StepSize, type WholeWork, wholeWork } from './stepCost.ts';
import { systolicCycles } from './systolic.ts';

export interface DescribedCost {
  readonly seconds: Range;
  /** Undefined if the device does not say what its actions take. Its note has the origins of the device's figures. */
  readonly joules?: EnergyEstimate;
  /** Bytes read from memory. */
  readonly bytes: number;
  readonly multiplyAdds: number;
  /** The resource that takes most of the time. */
  readonly bound: 'memory' | 'arithmetic' | 'overhead';
  /** False if weights and cache do not fit into the device's memory. */
  readonly fits: boolean;
}

type End = 'low' | 'value' | 'high';

/** @throws {OptionError} for sizes that are not positive */
export function describedCost(device: DeviceFile, graph: Graph, size: Omit<StepSize, 'threads'> = {}): DescribedCost {
  return describedWorkCost(device, wholeWork(graph, size));
}

export function describedWorkCost(device: DeviceFile, work: WholeWork): DescribedCost {
  const { multiplyAdds, footprint: file } = work;
  const stored = (weights: number, bytes: number) =>
    device.bitsPerWeight === undefined ? bytes : (weights * device.bitsPerWeight) / 8;
  let [weightBytes, storedBytes] = [0, 0];
  const products = work.products.map((product) => {
    const bytes = stored(product.weights, product.bytes);
    weightBytes += bytes;
    storedBytes += bytes / product.share;
    return { product, bytes };
  });
  const keyBytes = work.attention.reduce((sum, { bytes }) => sum + bytes, 0);
  const pairs = work.attention.reduce((sum, each) => sum + each.pairs, 0);
  const at = (figure: Figure | undefined, end: End): number => (figure ? rangeOf(figure)[end] : 0);

  /** Fast ends of all figures make the low end of the time. */
  const timeAt = (end: End) => {
    const opposite: End = end === 'low' ? 'high' : end === 'high' ? 'low' : 'value';
    const bandwidth = at(device.memory.bytesPerSecond, opposite);
    let [memory, arithmetic, seconds] = [0, 0, 0];
    for (const { product, bytes } of products) {
      const reading = bytes / bandwidth;
      const computing = productSeconds(device, product, product.rows, opposite);
      memory += reading;
      arithmetic += computing;
      seconds += Math.max(reading, computing);
    }
    const attending = Math.max(keyBytes / bandwidth, (2 * pairs) / peak(device, opposite));
    const { perStep, perLayer, perProduct } = device.overhead;
    const overhead =
      at(perStep, end) + at(perLayer, end) * work.attention.length + at(perProduct, end) * work.products.length;
    return { seconds: seconds + attending + overhead, memory, arithmetic, overhead };
  };
  const times = { low: timeAt('low'), value: timeAt('value'), high: timeAt('high') };
  const { memory, arithmetic, overhead } = times.value;
  const joules = energyOf(device, { multiplyAdds, bytes: weightBytes + keyBytes }, (end) => times[end].seconds);
  return {
    seconds: { value: times.value.seconds, low: times.low.seconds, high: times.high.seconds },
    ...(joules && { joules }),
    bytes: weightBytes + keyBytes,
    multiplyAdds,
    bound: overhead >= Math.max(memory, arithmetic) ? 'overhead' : memory >= arithmetic ? 'memory' : 'arithmetic',
    fits: Math.max(storedBytes, device.bitsPerWeight === undefined ? file : 0) + keyBytes <= device.memory.bytes.value,
  };
}

/** Energy by counts. @returns undefined if a figure is missing: an energy without a part would be too low */
function energyOf(
  { joulesPerMultiplyAdd, idleWatts, memory: { joulesPerByte } }: DeviceFile,
  { multiplyAdds, bytes }: { readonly multiplyAdds: number; readonly bytes: number },
  secondsAt: (end: End) => number,
): EnergyEstimate | undefined {
  if (!joulesPerMultiplyAdd || !joulesPerByte || !idleWatts) return undefined;
  const at = (end: End) =>
    rangeOf(joulesPerMultiplyAdd)[end] * multiplyAdds +
    rangeOf(joulesPerByte)[end] * bytes +
    rangeOf(idleWatts)[end] * secondsAt(end);
  const note = `counts of the device file: multiply-adds (${joulesPerMultiplyAdd.from}), bytes (${joulesPerByte.from}), time at idle power (${idleWatts.from}); nothing was measured here`;
  return { value: at('value'), low: at('low'), high: at('high'), method: 'model', note };
}

/** Multiply-adds per second of all arrays. */
function peak({ unit }: DeviceFile, end: End): number {
  const perCycle = unit.array ? unit.array.rows * unit.array.columns : rangeOf(unit.multiplyAddsPerCycle!)[end];
  return rangeOf(unit.clock)[end] * perCycle * unit.count;
}

/** Arrays share the outputs of a product. */
function productSeconds(device: DeviceFile, { outputs, inputs }: ProductShape, rows: number, end: End): number {
  const { array, clock, count } = device.unit;
  if (!array) return (rows * outputs * inputs) / peak(device, end);
  return systolicCycles(array, { M: rows, N: Math.ceil(outputs / count), K: inputs }) / rangeOf(clock)[end];
}
