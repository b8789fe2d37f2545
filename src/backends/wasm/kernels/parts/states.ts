/**
 * Recurrences whose state is a matrix [rows, 16] per block of up to 16 columns. A thread runs a block over all tokens of a
 * sequence, with the matrix in its scratch memory. In a page's state, blocks of `columns` columns lie one after another.
 */
import { PAGE } from "./cache";
import { hasCache, sequence, sequenceCount, sequenceEntry, stateOf, tokens } from "./control";

export const BLOCK: i32 = 16;

/** Bytes of scratch for the matrix of a block. */
@inline export function matrixBytes(rows: i32): usize { return <usize>rows << 6; }

/** Number of sequences of the step. */
@inline export function sequences(): i32 { return hasCache() ? sequenceCount() : tokens() / sequence(); }

/** First row of a sequence in the step. */
@inline export function firstRow(i: i32): i32 { return hasCache() ? load<i32>(sequenceEntry(i)) : i * sequence(); }
@inline export function rowCount(i: i32): i32 { return hasCache() ? load<i32>(sequenceEntry(i), 4) : sequence(); }
@inline function positionOfFirst(i: i32): i32 { return hasCache() ? load<i32>(sequenceEntry(i), 8) : 0; }

/** Number of rows, from row `row` of a sequence on, that end with a page or with the sequence's rows. */
@inline export function rowsOfPage(i: i32, row: i32): i32 {
  return min(rowCount(i) - row, PAGE - ((positionOfFirst(i) + row) & (PAGE - 1)));
}

/** Reads a block's matrix of the state before the step, zeros for a new sequence. @param place of the block in a state, in bytes */
export function loadMatrix(matrix: usize, i: i32, place: usize, rows: i32, columns: i32): void {
  memory.fill(matrix, 0, matrixBytes(rows));
  const position = positionOfFirst(i);
  const past = position > 0 ? stateOf(sequenceEntry(i), (position - 1) / PAGE) : 0;
  if (!past) return;
  const bytes = <usize>columns << 2;
  for (let row: usize = 0; row < <usize>rows; row++) memory.copy(matrix + (row << 6), past + place + row * bytes, bytes);
}

/** Writes a block's matrix to the state of the page that holds row `row` of a sequence, if it has one. */
export function keepMatrix(matrix: usize, i: i32, row: i32, place: usize, rows: i32, columns: i32): void {
  const state = hasCache() ? stateOf(sequenceEntry(i), (positionOfFirst(i) + row) / PAGE) : 0;
  if (!state) return;
  const bytes = <usize>columns << 2;
  for (let at: usize = 0; at < <usize>rows; at++) memory.copy(state + place + at * bytes, matrix + (at << 6), bytes);
}
