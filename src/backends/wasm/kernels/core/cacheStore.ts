/** Stores a step's keys and values in the pages of their sequences. */
import { cacheBytes, F16, F32, filled, halfPlace, layerKeys, layerValues, PAGE } from "../parts/cache";
import { address, argument, cacheKind, hasCache, pageOf, positionOf, shareFrom, shareTo, tokens } from "../parts/control";
import { toHalf } from "../parts/simd";

/** Arguments: 0 keys [T, G·headSize], 1 values, 2 G key heads, 3 headSize, 4 filled elements before (see cache.ts). */
export function cacheStore(command: usize, thread: i32, threads: i32): void {
  if (!hasCache()) return;
  const heads: usize = argument(command, 2), size: usize = argument(command, 3);
  const keys = layerKeys(address(command, 4));
  const values = layerValues(address(command, 4), heads * filled(size));
  const kind = cacheKind();
  const rowBytes = cacheBytes(kind, filled(size));
  const count: usize = <usize>tokens() * heads;
  const last: usize = shareTo(<i32>count, thread, threads);
  for (let item: usize = shareFrom(<i32>count, thread, threads); item < last; item++) {
    const token = <i32>(item / heads);
    const position: usize = positionOf(token) & (PAGE - 1);
    const base = pageOf(token);
    const head = item % heads;
    const k = address(command, 0) + item * size * 4;
    const v = address(command, 1) + item * size * 4;
    const tile = base + keys + (head * (PAGE >> 3) + (position >> 3)) * rowBytes * 8;
    const row = base + values + (head * PAGE + position) * rowBytes;
    const lane = position & 7;
    if (kind == F32) {
      for (let i: usize = 0; i < size; i++) store<f32>(tile + (((i << 3) + lane) << 2), load<f32>(k + (i << 2)));
      memory.copy(row, v, size << 2);
    } else if (kind == F16) {
      for (let i: usize = 0; i < size; i++) {
        store<u16>(tile + (((i << 3) + halfPlace(lane)) << 1), toHalf(load<f32>(k + (i << 2))));
        store<u16>(row + (((i & ~7) + halfPlace(i & 7)) << 1), toHalf(load<f32>(v + (i << 2))));
      }
    } else {
      for (let block: usize = 0; block < size >> 5; block++) {
        const to = tile + block * 272;
        const inverse = storeScale(k + (block << 7), to + 2 * lane);
        for (let i: usize = 0; i < 32; i++)
          store<i8>(to + 16 + ((i >> 1) << 4) + (lane << 1) + (i & 1), code(k + (block << 7) + (i << 2), inverse));
        const at = row + block * 34;
        const inverseValue = storeScale(v + (block << 7), at);
        for (let i: usize = 0; i < 32; i++) store<i8>(at + 2 + i, code(v + (block << 7) + (i << 2), inverseValue));
      }
    }
  }
}

@inline function code(x: usize, inverse: f32): i8 { return <i8>nearest<f32>(load<f32>(x) * inverse); }

/** Writes the half-float scale of 32 columns and returns the factor that converts them to codes. */
@inline function storeScale(x: usize, to: usize): f32 {
  let most: f32 = 0;
  for (let i: usize = 0; i < 32; i++) most = max<f32>(most, abs<f32>(load<f32>(x + (i << 2))));
  store<u16>(to, toHalf(most / 127));
  return most > 0 ? 127 / most : 0;
}
