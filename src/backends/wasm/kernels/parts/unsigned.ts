/**
 * Matrix products with weights whose codes are small unsigned integers: value = scale · (code − bias) + minimum, with a
 * scale per 32 columns or per 16 (parts 1 or 2). A format F describes its packed super-block of 8 rows; the loops here
 * are shared by all formats.
 *
 * Activations (quantize8): int8 with one scale d per 32 columns, and a record per 32 columns or 16.
 *   one token     codes [K], records of 3 words
 *   more tokens   tiles of 4: codes [K/4][4 tokens][4], records of 3 × 4 words, word by word
 *   record        d (f32), d·Σ (f32), lanes; lanes being two i16: the sums of the codes at columns 4i, 4i+1 and at 4i+2, 4i+3
 *
 * Codes are summed in i16, a lane taking two columns of every quad; d·Σ brings in the bias afterwards. Codes too large for
 * that, and those of super-blocks, start from −bias · lanes: Σ x·(code − bias) fits although the sums on the way may wrap
 * (|code − bias| ≤ 16 over 32 columns, ≤ 32 over 16).
 *
 * A row's sums are added up in one and the same order for any number of tokens (unsignedSums.ts), so its result has the
 * same bits. One token: unsignedVector.ts and nibbleVector.ts. More tokens: here; a group of 8 rows is unpacked once and
 * multiplied with tiles of tokens (unsignedTile.ts). Up to 8 tokens with nibbles: nibbleFew.ts, which unpacks nothing.
 *
 * F's methods, all inlined: on the super-block d(half), m(half): f32 scales of 4 rows; on a tile of 32 columns
 * raw(i, half), low(n, i, half, first, second) and high(…): codes of quads i and i+4; where a super-block has one tile,
 * scale(half, part, d) and minimum(half, part, d, m), f32; where it has several, the integers scales(part) and
 * floors(part), of 8 rows, i16; where codes are nibbles, tinyD(half, mask) and tinyM(half, mask): d and m times 2^−112.
 * Constants: bytes, head, tile, tiles, parts, bias, most (greatest code), minima (true if there is a minimum), and first
 * and second: vectors that low and high take.
 *
 * The loops are written for the machine code that V8 generates (see LOG.md): the condition is at the end, so that constants
 * stay in registers; activations are broadcast by shuffles instead of loads; the products of a half form one chain.
 */
import { address, argument, claim, claimRun, oneStream, piecesOf, rowsOf, runEnd, shareFrom, shareTo, wideTiles } from "./control";
import { few } from "./nibbleFew";
import { nibbleVector, nibbleVectorInTurn } from "./nibbleVector";
import { balance, halfMask, held } from "./simd";
import { storeRows } from "./store";
import { clearSums, gather, isNibbles, isSuper, minimumOf, resultOf, scaleOf, SUMS } from "./unsignedSums";
import { pairTile, SCALES, tile, wideTile } from "./unsignedTile";
import { vector, vectorInTurn } from "./unsignedVector";

/** Steps of more tokens than this unpack nibbles first; other formats always do. */
const FEW: i32 = 8;

/** True if a tile's codes are nibbles as they are. */
@inline function plainNibbles<F>(): bool { return changetype<F>(0).parts() == 1 && changetype<F>(0).most() == 15; }

/**
 * Kernel arguments: 0 rows kind (T or R), 1 weights, 2 activation codes, 3 activation records, 4 output [rows, N],
 * 5 N, 6 K, 7 bias or 0, 8 residual [rows, N] or 0, 9 scratch, 10 scratch bytes per thread.
 */
@inline export function matmulUnsigned<F>(command: usize, thread: i32, threads: i32): void {
  const rows = rowsOf(argument(command, 0));
  if (rows == 0) return;
  const groups = (argument(command, 5) + 7) >> 3;
  const scratch = address(command, 9) + <usize>thread * address(command, 10);
  const fours = (groups + 3) >> 2;
  for (let four = claimRun(command, fours, threads); four >= 0; four = claimRun(command, fours, threads)) {
    const from = four << 2, to = min(groups, runEnd(four, fours, threads) << 2);
    if (rows > 1) {
      if (plainNibbles<F>()) {
        if (rows <= FEW) few<F>(command, from, to, scratch);
        else tiles<F>(command, from, to, scratch);
      } else tiles<F>(command, from, to, scratch);
    } else if (isNibbles<F>()) {
      if (oneStream()) nibbleVectorInTurn<F>(command, from, to, scratch);
      else nibbleVector<F>(command, from, to, scratch);
    } else if (oneStream()) vectorInTurn<F>(command, from, to, scratch);
    else vector<F>(command, from, to, scratch);
  }
}

/** Bytes of an unpacked tile. */
@inline function tileBytes<F>(): usize { return 256 + SCALES * changetype<F>(0).parts(); }

/** Bytes of 8 unpacked rows of a super-block, the scales of the super-block included. */
@inline function blockBytes<F>(): usize { return changetype<F>(0).tiles() * tileBytes<F>() + (isSuper<F>() ? SCALES : 0); }

/**
 * Unpacks 8 rows into scratch, where every format looks alike. By part of a tile: its quads, 4 rows × 4 columns of rows
 * 0–3, then of rows 4–7, then scales and minima as scaleOf and minimumOf return them. Behind the last tile of a
 * super-block: d and m of 8 rows, f32.
 */
function unpack<F>(w: usize, blocks: i32, to: usize): void {
  const f = changetype<F>(0);
  const first = held(f.first()), second = held(f.second()), mask = halfMask(), factor = balance();
  for (let block = 0; block < blocks; block++) {
    const end = w + f.bytes();
    if (isSuper<F>()) {
      const scales = to + f.tiles() * tileBytes<F>();
      v128.store(scales, changetype<F>(w).d(0));
      v128.store(scales, changetype<F>(w).d(1), 16);
      if (f.minima()) {
        v128.store(scales, changetype<F>(w).m(0), 32);
        v128.store(scales, changetype<F>(w).m(1), 48);
      }
    }
    w += f.head();
    do {
      unpackHalf<F>(w, to, 0, first, second, mask, factor);
      unpackHalf<F>(w, to + 16, 1, first, second, mask, factor);
      w += isSuper<F>() ? f.tile() : f.bytes() - f.head();
      to += tileBytes<F>();
    } while (isSuper<F>() && w < end);
    if (isSuper<F>()) to += SCALES;
  }
}

@inline function unpackHalf<F>(w: usize, to: usize, half: i32, first: v128, second: v128, mask: v128, factor: v128): void {
  const t = changetype<F>(w);
  const far: usize = t.parts() == 2 ? 128 + SCALES : 128;
  let n = t.raw(0, half);
  v128.store(to, t.low(n, 0, half, first, second));
  v128.store(to + far, t.high(n, 0, half, first, second));
  n = t.raw(1, half);
  v128.store(to + 32, t.low(n, 1, half, first, second));
  v128.store(to + far + 32, t.high(n, 1, half, first, second));
  n = t.raw(2, half);
  v128.store(to + 64, t.low(n, 2, half, first, second));
  v128.store(to + far + 64, t.high(n, 2, half, first, second));
  n = t.raw(3, half);
  v128.store(to + 96, t.low(n, 3, half, first, second));
  v128.store(to + far + 96, t.high(n, 3, half, first, second));
  to += 256 / t.parts();
  v128.store(to, scaleOf<F>(w, half, 0, mask, factor));
  if (t.minima()) v128.store(to, minimumOf<F>(w, half, 0, mask, factor), 32);
  if (t.parts() == 1) return;
  v128.store(to + far, scaleOf<F>(w, half, 1, mask, factor));
  if (t.minima()) v128.store(to + far, minimumOf<F>(w, half, 1, mask, factor), 32);
}

/** Groups from … to−1, with tiles of 4 tokens or of 8. */
function tiles<F>(command: usize, from: i32, to: i32, scratch: usize): void {
  const f = changetype<F>(0);
  const columns = argument(command, 6);
  const blocks = columns / (32 * f.tiles());
  const rows = rowsOf(argument(command, 0));
  const far: usize = columns << 2, farRecords: usize = (columns >> 5) * 48 * f.parts();
  const factor = balance();
  for (let group = from; group < to; group++) {
    unpack<F>(address(command, 1) + <usize>group * blocks * f.bytes(), blocks, scratch + SUMS);
    let px = address(command, 2);
    let pr = address(command, 3);
    for (let row = 0, count = 0; row < rows; row += count) {
      const wide = wideTiles() && row + 4 < rows;
      count = min(wide ? 8 : 4, rows - row);
      clearSums<F>(scratch, wide ? 8 : 4);
      if (isSuper<F>()) superBlocks<F>(scratch, px, far, pr, farRecords, blocks, count);
      else multiply<F>(scratch, scratch + SUMS, px, far, pr, farRecords, blocks * f.parts(), count);
      for (let t = 0; t < count; t++) {
        const sums = scratch + 32 * <usize>t;
        storeRows(command, row + t, group << 3, resultOf<F>(sums, factor), resultOf<F>(sums + 16, factor));
      }
      px += wide ? 2 * far : far;
      pr += wide ? 2 * farRecords : farRecords;
    }
  }
}

/** Adds the products of `count` tokens with `parts` parts of tiles to the sums. @param w unpacked */
@inline function multiply<F>(
  sums: usize, w: usize, px: usize, far: usize, pr: usize, farRecords: usize, parts: i32, count: i32,
): void {
  if (count > 4) wideTile<F>(sums, w, px, far, pr, farRecords, parts);
  else if (count > 2) tile<F>(sums, w, px, pr, parts);
  else pairTile<F>(sums, w, px, pr, parts);
}

/** Multiplies super-block by super-block, and adds up the sums of each. */
@inline function superBlocks<F>(
  scratch: usize, px: usize, far: usize, pr: usize, farRecords: usize, blocks: i32, count: i32,
): void {
  const f = changetype<F>(0);
  let w = scratch + SUMS;
  do {
    multiply<F>(scratch, w, px, far, pr, farRecords, f.tiles() * f.parts(), count);
    w += f.tiles() * tileBytes<F>();
    gatherTokens<F>(scratch, w, count);
    w += SCALES;
    px += 128 * f.tiles();
    pr += 48 * f.tiles() * f.parts();
  } while (--blocks);
}

/** Adds up the super-block's sums of `tokens` tokens. @param w its d and m, unpacked */
@inline function gatherTokens<F>(sums: usize, w: usize, tokens: usize): void {
  const d0 = v128.load(w), d1 = v128.load(w, 16), m0 = v128.load(w, 32), m1 = v128.load(w, 48);
  for (const end = sums + (tokens << 5); sums < end; sums += 32) gather<F>(d0, d1, m0, m1, sums);
}

/**
 * Rows of an embedding by id, each by unpacking the 8 rows it is packed with.
 * Kernel arguments: 0 rows kind, 1 weights, 2 ids (i32), 3 output [rows, K], 4 K, 5 scratch, 6 scratch bytes per thread.
 */
@inline export function embedUnsigned<F>(command: usize, thread: i32, threads: i32): void {
  const f = changetype<F>(0);
  const rows = rowsOf(argument(command, 0));
  const columns = argument(command, 4);
  const blocks = columns / (32 * f.tiles());
  const scratch = address(command, 5) + <usize>thread * address(command, 6);
  let unpacked = -1;
  for (let t = shareFrom(rows, thread, threads); t < shareTo(rows, thread, threads); t++) {
    const id = load<i32>(address(command, 2) + (<usize>t << 2));
    const group = id >> 3;
    // all rows are taken in order where a product turns its weights over
    if (group != unpacked) unpack<F>(address(command, 1) + <usize>group * blocks * f.bytes(), blocks, scratch);
    unpacked = group;
    const row: usize = id & 7;
    let from = scratch;
    let out = address(command, 3) + <usize>t * columns * 4;
    for (let block = 0; block < blocks; block++) {
      const ofBlock = scratch + <usize>block * blockBytes<F>() + f.tiles() * tileBytes<F>() + 4 * row;
      for (let part = 0; part < f.tiles() * f.parts(); part++) {
        const scales = from + 256 / f.parts() + 4 * row;
        let scale: f32, minimum: f32 = 0;
        let bias = f.bias();
        if (isSuper<F>()) {
          scale = load<f32>(ofBlock) * <f32>load<i16>(scales);
          if (f.minima()) {
            minimum = load<f32>(ofBlock, 32) * load<f32>(scales, 32);
            bias = 0;
          }
        } else {
          scale = load<f32>(scales);
          if (f.minima()) minimum = load<f32>(scales, 32);
          if (isNibbles<F>()) {
            scale *= BALANCE;
            minimum *= BALANCE;
          }
        }
        for (let k: usize = 0; k < <usize>(32 / f.parts()); k++) {
          const code = <i32>load<u8>(from + 32 * (k >> 2) + 4 * row + (k & 3)) - bias;
          store<f32>(out, scale * <f32>code + minimum);
          out += 4;
        }
        from += 256 / f.parts() + SCALES;
      }
      if (isSuper<F>()) from += SCALES;
    }
  }
}

/** 2^56: see scaleOf. */
const BALANCE: f32 = reinterpret<f32>(0x5b800000);

/** Bytes of 8 packed rows of `columns`. */
@inline export function groupBytesUnsigned<F>(columns: i32): i32 {
  const f = changetype<F>(0);
  return columns / (32 * f.tiles()) * <i32>f.bytes();
}

/** Bytes of the scratch that a thread needs: sums, and 8 unpacked rows. */
@inline export function scratchBytesUnsigned<F>(columns: i32): i32 {
  return <i32>SUMS + columns / (32 * changetype<F>(0).tiles()) * <i32>blockBytes<F>();
}
