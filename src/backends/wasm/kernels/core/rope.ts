/**
 * Rotary position embedding. Angles are the same for all heads, so each row's cosines and sines are computed once.
 * Arguments: 0 –, 1 x [T, heads·headSize], 2 output, 3 heads, 4 headSize, 5 pairs, 6 layout (0 interleaved, 1 half),
 * 7 frequencies [pairs] (f32, already divided by their factors), 8 magnitude, 9 scratch, 10 scratch bytes per thread,
 * 11 direction (1, or −1: the inverse), 12 length, 13 frequencies of sequences that reach beyond `length` positions (0: none).
 */
import {
  address, argument, hasCache, number, positionOf, sequence, sequenceCount, sequenceEntry, shareFrom, shareTo, tokens,
} from "../parts/control";

export function rope(command: usize, thread: i32, threads: i32): void {
  const heads = argument(command, 3), pairs: usize = argument(command, 5);
  const headBytes = address(command, 4) << 2;
  const scratch = address(command, 9) + <usize>thread * address(command, 10);
  const magnitude = number(command, 8);
  const half = argument(command, 6) == 1;
  // per position: the sequences of a batch share them
  const count = sequence() * heads;
  let angled = -1;
  for (let item = shareFrom(count, thread, threads); item < shareTo(count, thread, threads); item++) {
    const at = item / heads;
    if (at != angled) {
      angled = at;
      const position = <f64>(positionOf(at) * argument(command, 11));
      const isLong = address(command, 13) != 0 && lengthOf(at) > argument(command, 12);
      const frequencies = isLong ? address(command, 13) : address(command, 7);
      for (let i: usize = 0; i < pairs; i++) {
        turn(position * <f64>load<f32>(frequencies + (i << 2)), magnitude, scratch + (i << 3));
      }
    }
    for (let row = item; row < tokens() * heads; row += count) {
      const x = address(command, 1) + <usize>row * headBytes, y = address(command, 2) + <usize>row * headBytes;
      if (half) turnHalves(x, y, scratch, pairs);
      else turnNeighbours(x, y, scratch, pairs);
      const turned = pairs << 3;
      if (x != y && turned < headBytes) memory.copy(y + turned, x + turned, headBytes - turned);
    }
  }
}

/** Positions up to the last one of a row's sequence in this step. */
function lengthOf(row: i32): i32 {
  if (!hasCache()) return sequence();
  for (let i = 0; i < sequenceCount(); i++) {
    const entry = sequenceEntry(i), first = load<i32>(entry), count = load<i32>(entry, 4);
    if (row >= first && row < first + count) return load<i32>(entry, 8) + count;
  }
  return 0;
}

/** Pairs (i, i + pairs) of a head. */
function turnHalves(x: usize, y: usize, angles: usize, pairs: usize): void {
  const gap = pairs << 2;
  for (let i: usize = 0; i < pairs; i++) {
    const cos = load<f32>(angles + (i << 3)), sin = load<f32>(angles + (i << 3), 4);
    const a = load<f32>(x + (i << 2)), b = load<f32>(x + (i << 2) + gap);
    store<f32>(y + (i << 2), a * cos - b * sin);
    store<f32>(y + (i << 2) + gap, a * sin + b * cos);
  }
}

/** Pairs (2i, 2i + 1). */
function turnNeighbours(x: usize, y: usize, angles: usize, pairs: usize): void {
  for (let i: usize = 0; i < pairs << 3; i += 8) {
    const cos = load<f32>(angles + i), sin = load<f32>(angles + i, 4);
    const a = load<f32>(x + i), b = load<f32>(x + i, 4);
    store<f32>(y + i, a * cos - b * sin);
    store<f32>(y + i, a * sin + b * cos, 4);
  }
}

/** cos and sin of an angle, by reduction to ±π/4 and Taylor polynomials in f64 (error below 1e-9). */
@inline function turn(angle: f64, magnitude: f32, to: usize): void {
  const n = nearest(angle * 0.6366197723675814);
  const r = angle - n * 1.5707963267948966;
  const r2 = r * r;
  const s = r * (1 + r2 * (-1.0 / 6 + r2 * (1.0 / 120 + r2 * (-1.0 / 5040 + r2 * (1.0 / 362880)))));
  const c = 1 + r2 * (-0.5 + r2 * (1.0 / 24 + r2 * (-1.0 / 720 + r2 * (1.0 / 40320 - r2 * (1.0 / 3628800)))));
  const quadrant = <i64>n & 3;
  const cos = quadrant == 0 ? c : quadrant == 1 ? -s : quadrant == 2 ? -c : s;
  const sin = quadrant == 0 ? s : quadrant == 1 ? c : quadrant == 2 ? -s : -c;
  store<f32>(to, <f32>cos * magnitude);
  store<f32>(to, <f32>sin * magnitude, 4);
}
