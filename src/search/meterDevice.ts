/** The cost table of this device: read where it was measured before, measured where it was not. */
import { deviceName } from '#leaf/backends/wasm/threads';
import { deviceNotes } from '../runtime/deviceNotes.ts';
import { type CostTable, formatsOf, mergeTables, readCostTable } from './costTable.ts';
import { type MeasureCostsOptions, measureCosts } from './measureCosts.ts';

export interface MeterOptions extends Partial<Omit<MeasureCostsOptions, 'notes'>> {
  /** Folder of downloads and device measurements, as `CacheOptions.folder`. */
  readonly folder?: string;
  /** Measure again what is known. Default false. */
  readonly again?: boolean;
}

/** Block formats that most published models use. */
export const COMMON_FORMATS: readonly string[] = ['Q4_0', 'Q8_0', 'Q4_K', 'Q6_K'];

/**
 * Measures the kernels for some formats, a few seconds each, and stores the result for the next call.
 * @throws {UnsupportedError} for an unknown format; {OptionError} for a variant that does not run here; the signal's reason
 */
export async function meterDevice(options: MeterOptions = {}): Promise<CostTable> {
  const { folder, again = false, formats = COMMON_FORMATS, kv = 'F16' } = options;
  const notes = deviceNotes(folder);
  const name = noteName(options);
  const known = storedTable(await notes.read(name));
  const missing = formats.filter((format) => again || !known || !formatsOf(known).has(format));
  if (known && missing.length === 0) return known;
  const measured = await measureCosts({ ...options, formats: missing, kv, notes });
  const isSame = known && known.variant === measured.variant && known.device === measured.device;
  const table = isSame ? mergeTables(known, measured) : measured;
  await notes.write(name, JSON.stringify(table));
  return table;
}

/** Stores a table that has learned, for the next call of `meterDevice` with the same options. */
export async function storeCosts(table: CostTable, options: MeterOptions = {}): Promise<void> {
  await deviceNotes(options.folder).write(noteName(options), JSON.stringify(table));
}

const noteName = ({ variant, threads, kv = 'F16' }: MeterOptions): string =>
  `${deviceName()}: costs of ${variant ?? 'the best'} with ${threads?.join(', ') ?? 'all'} threads and ${kv}`;

/** A note of an earlier version, or a broken one, is measured again. */
function storedTable(text: string | undefined): CostTable | undefined {
  if (text === undefined) return undefined;
  try {
    return readCostTable(text);
  } catch {
    return undefined;
  }
}
