/** Chooses the tables of a model that stay in its files, where steps read the rows of their tokens. */
import { OptionError } from '../core/errors.ts';
import { lookupTables } from '../graph/ops/storedRows.ts';
import { weightBytes } from '../graph/ops/weight.ts';
import type { BuiltModel } from '../models/buildModel.ts';
import { storedInPlace } from '../models/weightStore.ts';
import type { LoadOptions } from './loadOptions.ts';

/** Tables of at least this many bytes stay in the file by default: reading a row takes some 50 µs, or 1 ms in a page. */
const LARGE_TABLE = 2 ** 28;

export interface StoredTables {
  /** Tensor names of the tables that stay in the file. */
  readonly always: ReadonlySet<string>;
  /** The same, and those that stay there if the model would not fit otherwise. */
  readonly ifNeeded: ReadonlySet<string>;
}

/**
 * @param willBeLocal true if a file whose place is not known yet will be on this device when the model is loaded
 * @throws {OptionError} if tables are to stay in a file that is not on this device
 */
export function tablesToStore(model: BuiltModel, where: LoadOptions['embeddings'], willBeLocal: boolean): StoredTables {
  const none = new Set<string>();
  if (where === 'memory') return { always: none, ifNeeded: none };
  const tables = lookupTables(model.graph).filter(({ attributes }) => !model.filled.has(attributes.tensor));
  const readable = tables.filter(({ attributes }) => {
    const tensor = storedInPlace(model.stored(attributes.tensor));
    return tensor && (tensor.isLocal ?? willBeLocal);
  });
  const [missing] = tables.filter((table) => !readable.includes(table));
  if (where === 'file' && missing)
    throw new OptionError(
      'embeddings',
      where,
      `'auto' or 'memory', because rows of ${missing.attributes.tensor} cannot be read from this source one by one`,
    );
  const names = (list: typeof tables) => new Set(list.map(({ attributes }) => attributes.tensor));
  const all = names(readable);
  const large = names(readable.filter((table) => weightBytes(table) >= LARGE_TABLE));
  return { always: where === 'file' ? all : large, ifNeeded: all };
}
