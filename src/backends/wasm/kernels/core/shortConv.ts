/** Short convolution of every channel over the last tokens of its sequence, and its state. */
import { PAGE } from "../parts/cache";
import {
  address, argument, hasCache, sequence, sequenceCount, sequenceEntry, shareFrom, shareTo, stateOf, tokens,
} from "../parts/control";
import { madd } from "../parts/simd";

/**
 * Arguments: 0 x [T, D], 1 weights [K, D], 2 bias [D] or 0, 3 output [T, D], 4 D, 5 K, 6 offset of its state in bytes,
 * 7 number of rows before the current one that the filter reads: K − 1, or (K − 1) / 2 if it is centred.
 * The state is the last K − 1 rows of x. Threads share the channels, so each updates its own part of a state.
 */
export function shortConv(command: usize, thread: i32, threads: i32): void {
  const width = argument(command, 4), quads = (width + 3) >> 2;
  const from = shareFrom(quads, thread, threads) << 2, to = min(width, shareTo(quads, thread, threads) << 2);
  if (from >= to) return;
  if (!hasCache()) {
    const s = sequence();
    for (let first = 0; first < tokens(); first += s) convolve(command, first, s, 0, from, to);
    return;
  }
  for (let i = 0; i < sequenceCount(); i++) {
    const entry = sequenceEntry(i);
    const first = load<i32>(entry), rows = load<i32>(entry, 4), position = load<i32>(entry, 8);
    const past = position > 0 ? stateOf(entry, (position - 1) / PAGE) + address(command, 6) : 0;
    convolve(command, first, rows, past, from, to);
    keep(command, entry, past, from, to);
  }
}

/** @param past state before the rows; 0: zeros @param from first channel @param to last channel + 1 */
function convolve(command: usize, first: i32, rows: i32, past: usize, from: i32, to: i32): void {
  const pitch = address(command, 4) << 2, taps = argument(command, 5), bias = address(command, 2);
  const before = argument(command, 7);
  for (let row = 0; row < rows; row++) {
    const y = address(command, 3) + <usize>(first + row) * pitch;
    let d = from;
    for (; d + 4 <= to; d += 4) {
      const at = <usize>d << 2;
      let sum = bias ? v128.load(bias + at) : f32x4.splat(0);
      for (let k = 0; k < taps; k++) {
        const x = rowAt(command, first, row - before + k, rows, past, pitch, taps);
        if (x) sum = madd(v128.load(address(command, 1) + <usize>k * pitch + at), v128.load(x + at), sum);
      }
      v128.store(y + at, sum);
    }
    for (; d < to; d++) {
      const at = <usize>d << 2;
      let sum: f32 = bias ? load<f32>(bias + at) : 0;
      for (let k = 0; k < taps; k++) {
        const x = rowAt(command, first, row - before + k, rows, past, pitch, taps);
        if (x) sum += load<f32>(address(command, 1) + <usize>k * pitch + at) * load<f32>(x + at);
      }
      store<f32>(y + at, sum);
    }
  }
}

/** Address of row `row` of a sequence's part of `rows`; negative rows are in the state. 0: there is none, its values are zeros. */
@inline function rowAt(command: usize, first: i32, row: i32, rows: i32, past: usize, pitch: usize, taps: i32): usize {
  if (row >= rows) return 0;
  if (row >= 0) return address(command, 0) + <usize>(first + row) * pitch;
  return past ? past + <usize>(taps - 1 + row) * pitch : 0;
}

/** Writes the states of the pages that the rows reach. The first page may hold `past` itself, so it is the last one. */
function keep(command: usize, entry: usize, past: usize, from: i32, to: i32): void {
  const first = load<i32>(entry), rows = load<i32>(entry, 4), position = load<i32>(entry, 8);
  const pitch = address(command, 4) << 2, taps = argument(command, 5);
  const begin = <usize>from << 2, bytes = <usize>(to - from) << 2;
  for (let page = (position + rows - 1) / PAGE; page >= position / PAGE; page--) {
    const state = stateOf(entry, page);
    if (!state) continue;
    const count = min(position + rows, (page + 1) * PAGE) - position;
    for (let i = 0; i < taps - 1; i++) {
      const x = rowAt(command, first, count - (taps - 1) + i, rows, past, pitch, taps);
      const at = state + address(command, 6) + <usize>i * pitch + begin;
      if (x) memory.copy(at, x + begin, bytes);
      else memory.fill(at, 0, bytes);
    }
  }
}
