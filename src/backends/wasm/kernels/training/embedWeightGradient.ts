/** Gradient of an embedding's table. The table's rows are split among threads, so that each row is summed in order. */
import { address, argument, rowsOf, shareFrom, shareTo } from "../parts/control";

/**
 * Arguments: 0 rows kind, 1 dy [rows, D], 2 ids (i32), 3 result [V, D], 4 V, 5 D, 6 1 to add it to the existing values.
 */
export function embedWeightGradient(command: usize, thread: i32, threads: i32): void {
  const rows = rowsOf(argument(command, 0));
  const from = shareFrom(argument(command, 4), thread, threads), to = shareTo(argument(command, 4), thread, threads);
  const bytes = address(command, 5) << 2;
  const result = address(command, 3);
  if (argument(command, 6) == 0) memory.fill(result + <usize>from * bytes, 0, <usize>(to - from) * bytes);
  for (let row = 0; row < rows; row++) {
    const id = load<i32>(address(command, 2) + (<usize>row << 2));
    if (id < from || id >= to) continue;
    const x = address(command, 1) + <usize>row * bytes, y = result + <usize>id * bytes;
    const vectors = bytes & ~15;
    for (let i: usize = 0; i < vectors; i += 16) v128.store(y + i, f32x4.add(v128.load(y + i), v128.load(x + i)));
    for (let i = vectors; i < bytes; i += 4) store<f32>(y + i, load<f32>(y + i) + load<f32>(x + i));
  }
}
