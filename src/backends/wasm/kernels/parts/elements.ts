/** Splits elementwise ops among threads: in units of 32 elements, so that threads do not share cache lines. */
import { argument, rowsOf, shareFrom, shareTo } from "./control";

/** Arguments of a command: 0 rows kind, 4 width. Byte offset of a thread's first element. */
@inline export function begin(command: usize, thread: i32, threads: i32): usize {
  return <usize>shareFrom(runs(command), thread, threads) << 7;
}

/** Byte offset after its last element. */
@inline export function finish(command: usize, thread: i32, threads: i32): usize {
  return min<usize>(<usize>shareTo(runs(command), thread, threads) << 7, <usize>(rowsOf(argument(command, 0)) * argument(command, 4)) << 2);
}

@inline function runs(command: usize): i32 {
  return (rowsOf(argument(command, 0)) * argument(command, 4) + 31) >> 5;
}
