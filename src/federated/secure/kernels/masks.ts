/**
 * Adds ChaCha20 keystreams (RFC 8439) to vectors of integers mod 2³². Four blocks are computed at once: lane i of the vector
 * xw is word w of block i.
 */

/** Keys and vectors lie behind this address. */
export function heapBase(): usize {
  return __heap_base;
}

/**
 * Adds or subtracts a keystream.
 * @param sum 16 integers per block @param state the cipher's 16 words; its counter is ignored
 * @param blocks number of blocks, a multiple of 4 @param counter of the first block @param sign 1 or −1
 */
export function addKeystream(sum: usize, state: usize, blocks: u32, counter: u32, sign: i32): void {
  const signs = i32x4.splat(sign);
  for (let block: u32 = 0; block < blocks; block += 4) {
    const counters = i32x4.add(i32x4.splat(counter + block), i32x4(0, 1, 2, 3));
    let x0 = word(state, 0);
    let x1 = word(state, 1);
    let x2 = word(state, 2);
    let x3 = word(state, 3);
    let x4 = word(state, 4);
    let x5 = word(state, 5);
    let x6 = word(state, 6);
    let x7 = word(state, 7);
    let x8 = word(state, 8);
    let x9 = word(state, 9);
    let x10 = word(state, 10);
    let x11 = word(state, 11);
    let x12 = counters;
    let x13 = word(state, 13);
    let x14 = word(state, 14);
    let x15 = word(state, 15);
    for (let round = 0; round < 10; round++) {
      // columns
      x0 = i32x4.add(x0, x4);
      x1 = i32x4.add(x1, x5);
      x2 = i32x4.add(x2, x6);
      x3 = i32x4.add(x3, x7);
      x12 = rotate16(v128.xor(x12, x0));
      x13 = rotate16(v128.xor(x13, x1));
      x14 = rotate16(v128.xor(x14, x2));
      x15 = rotate16(v128.xor(x15, x3));
      x8 = i32x4.add(x8, x12);
      x9 = i32x4.add(x9, x13);
      x10 = i32x4.add(x10, x14);
      x11 = i32x4.add(x11, x15);
      x4 = rotate12(v128.xor(x4, x8));
      x5 = rotate12(v128.xor(x5, x9));
      x6 = rotate12(v128.xor(x6, x10));
      x7 = rotate12(v128.xor(x7, x11));
      x0 = i32x4.add(x0, x4);
      x1 = i32x4.add(x1, x5);
      x2 = i32x4.add(x2, x6);
      x3 = i32x4.add(x3, x7);
      x12 = rotate8(v128.xor(x12, x0));
      x13 = rotate8(v128.xor(x13, x1));
      x14 = rotate8(v128.xor(x14, x2));
      x15 = rotate8(v128.xor(x15, x3));
      x8 = i32x4.add(x8, x12);
      x9 = i32x4.add(x9, x13);
      x10 = i32x4.add(x10, x14);
      x11 = i32x4.add(x11, x15);
      x4 = rotate7(v128.xor(x4, x8));
      x5 = rotate7(v128.xor(x5, x9));
      x6 = rotate7(v128.xor(x6, x10));
      x7 = rotate7(v128.xor(x7, x11));
      // diagonals
      x0 = i32x4.add(x0, x5);
      x1 = i32x4.add(x1, x6);
      x2 = i32x4.add(x2, x7);
      x3 = i32x4.add(x3, x4);
      x15 = rotate16(v128.xor(x15, x0));
      x12 = rotate16(v128.xor(x12, x1));
      x13 = rotate16(v128.xor(x13, x2));
      x14 = rotate16(v128.xor(x14, x3));
      x10 = i32x4.add(x10, x15);
      x11 = i32x4.add(x11, x12);
      x8 = i32x4.add(x8, x13);
      x9 = i32x4.add(x9, x14);
      x5 = rotate12(v128.xor(x5, x10));
      x6 = rotate12(v128.xor(x6, x11));
      x7 = rotate12(v128.xor(x7, x8));
      x4 = rotate12(v128.xor(x4, x9));
      x0 = i32x4.add(x0, x5);
      x1 = i32x4.add(x1, x6);
      x2 = i32x4.add(x2, x7);
      x3 = i32x4.add(x3, x4);
      x15 = rotate8(v128.xor(x15, x0));
      x12 = rotate8(v128.xor(x12, x1));
      x13 = rotate8(v128.xor(x13, x2));
      x14 = rotate8(v128.xor(x14, x3));
      x10 = i32x4.add(x10, x15);
      x11 = i32x4.add(x11, x12);
      x8 = i32x4.add(x8, x13);
      x9 = i32x4.add(x9, x14);
      x5 = rotate7(v128.xor(x5, x10));
      x6 = rotate7(v128.xor(x6, x11));
      x7 = rotate7(v128.xor(x7, x8));
      x4 = rotate7(v128.xor(x4, x9));
    }
    addRow(sum, 0, signs, i32x4.add(x0, word(state, 0)), i32x4.add(x1, word(state, 1)), i32x4.add(x2, word(state, 2)), i32x4.add(x3, word(state, 3)));
    addRow(sum, 1, signs, i32x4.add(x4, word(state, 4)), i32x4.add(x5, word(state, 5)), i32x4.add(x6, word(state, 6)), i32x4.add(x7, word(state, 7)));
    addRow(sum, 2, signs, i32x4.add(x8, word(state, 8)), i32x4.add(x9, word(state, 9)), i32x4.add(x10, word(state, 10)), i32x4.add(x11, word(state, 11)));
    addRow(sum, 3, signs, i32x4.add(x12, counters), i32x4.add(x13, word(state, 13)), i32x4.add(x14, word(state, 14)), i32x4.add(x15, word(state, 15)));
    sum += 256;
  }
}

/** Adds or subtracts integers. @param words number of integers, a multiple of 4 @param sign 1 or −1 */
export function addWords(sum: usize, from: usize, words: u32, sign: i32): void {
  const signs = i32x4.splat(sign);
  for (let at: usize = 0; at < 4 * words; at += 16) addTo(sum + at, v128.load(from + at), signs);
}

@inline function word(state: usize, index: usize): v128 {
  return v128.load32_splat(state + 4 * index);
}

@inline function addTo(sum: usize, values: v128, signs: v128): void {
  v128.store(sum, i32x4.add(v128.load(sum), i32x4.mul(values, signs)));
}

/** Adds words 4 · row … 4 · row + 3 of four blocks. */
@inline function addRow(sum: usize, row: usize, signs: v128, a: v128, b: v128, c: v128, d: v128): void {
  const ab = i32x4.shuffle(a, b, 0, 4, 1, 5);
  const cd = i32x4.shuffle(c, d, 0, 4, 1, 5);
  const ab2 = i32x4.shuffle(a, b, 2, 6, 3, 7);
  const cd2 = i32x4.shuffle(c, d, 2, 6, 3, 7);
  const to = sum + 16 * row;
  addTo(to, i64x2.shuffle(ab, cd, 0, 2), signs);
  addTo(to + 64, i64x2.shuffle(ab, cd, 1, 3), signs);
  addTo(to + 128, i64x2.shuffle(ab2, cd2, 0, 2), signs);
  addTo(to + 192, i64x2.shuffle(ab2, cd2, 1, 3), signs);
}

@inline function rotate16(x: v128): v128 {
  return i8x16.shuffle(x, x, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13);
}

/** Uses shifts because V8 loads the pattern of a shuffle at each use: with one, the whole kernel takes 14% more time. */
@inline function rotate8(x: v128): v128 {
  return v128.or(i32x4.shl(x, 8), i32x4.shr_u(x, 24));
}

@inline function rotate12(x: v128): v128 {
  return v128.or(i32x4.shl(x, 12), i32x4.shr_u(x, 20));
}

@inline function rotate7(x: v128): v128 {
  return v128.or(i32x4.shl(x, 7), i32x4.shr_u(x, 25));
}
