/** Ops that only move rows. */
import { address, argument, past, rowsOf, shareFrom, shareTo, tokens, wanted } from "./parts/control";

/** The positions P … P+T−1. Arguments: 0 output (i32). */
export function positions(command: usize, thread: i32, threads: i32): void {
  if (thread != 0) return;
  for (let t = 0; t < tokens(); t++) store<i32>(address(command, 0) + (<usize>t << 2), past() + t);
}

/** A run of columns. Arguments: 0 rows kind, 1 x, 2 its width, 3 output, 4 width, 5 first column. */
export function columns(command: usize, thread: i32, threads: i32): void {
  const rows = rowsOf(argument(command, 0));
  const width = address(command, 2), taken = address(command, 4);
  for (let row: usize = shareFrom(rows, thread, threads); row < <usize>shareTo(rows, thread, threads); row++)
    memory.copy(address(command, 3) + row * taken * 4, address(command, 1) + (row * width + address(command, 5)) * 4, taken * 4);
}

/** The wanted rows. Arguments: 0 indices (i32, [R]), 1 x [T, width], 2 output [R, width], 3 width. */
export function selectRows(command: usize, thread: i32, threads: i32): void {
  const count = wanted();
  const bytes = address(command, 3) << 2;
  for (let row: usize = shareFrom(count, thread, threads); row < <usize>shareTo(count, thread, threads); row++) {
    const from = load<i32>(address(command, 0) + (row << 2));
    memory.copy(address(command, 2) + row * bytes, address(command, 1) + <usize>from * bytes, bytes);
  }
}
