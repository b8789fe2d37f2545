/** Row orders of fused QKV projections in folders. GGUF has all queries, then all keys, then all values. */

import { FormatError } from '../../core/errors.ts';

/** Most rows of a matrix that is reordered. Published models have at most half a million. */
const MOST_ROWS = 2 ** 22;

/** Checks a number of rows that a config states, before a list of them is made. @throws {FormatError} */
function checkRows(rows: number): void {
  if (rows <= MOST_ROWS) return;
  const problem = `its sizes make a matrix of ${rows} rows, expected at most ${MOST_ROWS}`;
  throw new FormatError('config.json', problem, { expected: MOST_ROWS, found: rows });
}

export interface Heads {
  readonly heads: number;
  readonly kvHeads: number;
  readonly headSize: number;
}

/** Source rows of a matrix stored in groups of [queries …, key, value], one group per key head. */
export function groupedQkv({ heads, kvHeads, headSize }: Heads): Int32Array {
  const queries = heads / kvHeads;
  const groupRows = (queries + 2) * headSize;
  checkRows(kvHeads * groupRows);
  const rows: number[] = [];
  const take = (group: number, from: number, count: number) => {
    for (let i = 0; i < count; i++) rows.push(group * groupRows + from + i);
  };
  for (let group = 0; group < kvHeads; group++) take(group, 0, queries * headSize);
  for (let group = 0; group < kvHeads; group++) take(group, queries * headSize, headSize);
  for (let group = 0; group < kvHeads; group++) take(group, (queries + 1) * headSize, headSize);
  return Int32Array.from(rows);
}

/** CodeGen's order: four parts, each with queries, values, keys. */
export function codegenQkv({ heads, headSize }: Heads): Int32Array {
  const local = (heads * headSize) / 4;
  checkRows(12 * local);
  return Int32Array.from(
    [0, 2, 1].flatMap((place) =>
      [0, 1, 2, 3].flatMap((part) => Array.from({ length: local }, (_, i) => (part * 3 + place) * local + i)),
    ),
  );
}

/** All rows except the first ones. */
export const rowsFrom = (first: number, rows: number): Int32Array =>
  Int32Array.from({ length: rows - first }, (_, row) => first + row);

/** The first or second half of the rows of each of `groups` groups of `size` rows. */
export function halvesOfGroups(groups: number, size: number, second: boolean): Int32Array {
  const half = Math.floor(size / 2);
  const from = second ? half : 0;
  checkRows(groups * half);
  return Int32Array.from({ length: groups * half }, (_, i) => Math.floor(i / half) * size + from + (i % half));
}

/**
 * Rows of a matrix stored in `groups` groups, each of which has parts of `sizes` rows. Returns the wanted parts, one after
 * another, each of all groups.
 */
export function rowsOfGroups(groups: number, sizes: readonly number[], wanted: readonly number[]): Int32Array {
  const size = sizes.reduce((sum, part) => sum + part, 0);
  checkRows(groups * size);
  return Int32Array.from(
    wanted.flatMap((part) => {
      const from = sizes.slice(0, part).reduce((sum, before) => sum + before, 0);
      return Array.from({ length: groups }, (_, group) =>
        Array.from({ length: sizes[part] }, (_, i) => group * size + from + i),
      ).flat();
    }),
  );
}
