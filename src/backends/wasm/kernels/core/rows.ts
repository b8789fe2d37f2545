/** Ops that only move rows. */
import { address, argument, rowsOf, shareFrom, shareTo, tokens, wanted } from "../parts/control";

/** A slice of each group of columns. Arguments: 0 rows kind, 1 x, 2 width of a group, 3 output, 4 width of a slice, 5 first column, 6 groups. */
export function columns(command: usize, thread: i32, threads: i32): void {
  const rows = rowsOf(argument(command, 0)) * argument(command, 6);
  const width = address(command, 2), taken = address(command, 4);
  for (let row: usize = shareFrom(rows, thread, threads); row < <usize>shareTo(rows, thread, threads); row++)
    memory.copy(address(command, 3) + row * taken * 4, address(command, 1) + (row * width + address(command, 5)) * 4, taken * 4);
}

/** The selected rows. Arguments: 0 indices (i32, [R]), 1 x [T, width], 2 output [R, width], 3 width. */
export function selectRows(command: usize, thread: i32, threads: i32): void {
  const count = wanted();
  const bytes = address(command, 3) << 2;
  for (let row: usize = shareFrom(count, thread, threads); row < <usize>shareTo(count, thread, threads); row++) {
    const from = load<i32>(address(command, 0) + (row << 2));
    memory.copy(address(command, 2) + row * bytes, address(command, 1) + <usize>from * bytes, bytes);
  }
}

/**
 * Slices of groups of columns; the others are zeros. Arguments: 0 rows kind, 1 x, 2 width of a slice, 3 output, 4 width of a
 * group, 5 first column, 6 groups.
 */
export function scatterColumns(command: usize, thread: i32, threads: i32): void {
  const rows = rowsOf(argument(command, 0)) * argument(command, 6);
  const width = address(command, 2) << 2, whole = address(command, 4) << 2, from = address(command, 5) << 2;
  for (let row: usize = shareFrom(rows, thread, threads); row < <usize>shareTo(rows, thread, threads); row++) {
    const to = address(command, 3) + row * whole;
    memory.fill(to, 0, from);
    memory.copy(to + from, address(command, 1) + row * width, width);
    memory.fill(to + from + width, 0, whole - from - width);
  }
}

/** Writes rows to their selected positions, zeros elsewhere. Arguments: 0 indices (i32, [R]), 1 x [R, width], 2 output [T, width], 3 width. */
export function scatterRows(command: usize, thread: i32, threads: i32): void {
  const from = shareFrom(tokens(), thread, threads), to = shareTo(tokens(), thread, threads);
  const bytes = address(command, 3) << 2;
  memory.fill(address(command, 2) + <usize>from * bytes, 0, <usize>(to - from) * bytes);
  for (let row: usize = 0; row < <usize>wanted(); row++) {
    const at = load<i32>(address(command, 0) + (row << 2));
    if (at >= from && at < to) memory.copy(address(command, 2) + <usize>at * bytes, address(command, 1) + row * bytes, bytes);
  }
}
