/** Matrix arithmetic of the solver, in f32. Matrices are in row order; strides are in elements. */

/** First address behind the module's own data. */
export function heapBase(): usize {
  return __heap_base;
}

/** C ← C − A·B. A [rows, depth], B [depth, columns], C [rows, columns]. */
export function subtractProduct(
  c: usize, strideC: i32, a: usize, strideA: i32, b: usize, strideB: i32, rows: i32, depth: i32, columns: i32,
): void {
  const nextA = <usize>strideA << 2, nextB = <usize>strideB << 2, nextC = <usize>strideC << 2;
  let column = 0;
  for (; column + 8 <= columns; column += 8) {
    const from = b + (<usize>column << 2);
    let row = 0;
    for (; row + 4 <= rows; row += 4) {
      const to = c + <usize>row * nextC + (<usize>column << 2);
      tile(to, nextC, a + <usize>row * nextA, nextA, from, nextB, depth);
    }
    for (; row < rows; row++) {
      const to = c + <usize>row * nextC + (<usize>column << 2);
      line(to, a + <usize>row * nextA, from, nextB, depth);
    }
  }
  for (; column < columns; column++) {
    for (let row = 0; row < rows; row++) {
      const to = c + <usize>row * nextC + (<usize>column << 2);
      const left = a + <usize>row * nextA;
      let sum = load<f32>(to);
      for (let k = 0; k < depth; k++)
        sum -= load<f32>(left + (<usize>k << 2)) * load<f32>(b + <usize>k * nextB + (<usize>column << 2));
      store<f32>(to, sum);
    }
  }
}

/** 4 rows of 8 columns. */
// @ts-ignore: decorator
@inline
function tile(c: usize, nextC: usize, a: usize, nextA: usize, b: usize, nextB: usize, depth: i32): void {
  const c1 = c + nextC, c2 = c1 + nextC, c3 = c2 + nextC;
  let s00 = v128.load(c), s01 = v128.load(c, 16);
  let s10 = v128.load(c1), s11 = v128.load(c1, 16);
  let s20 = v128.load(c2), s21 = v128.load(c2, 16);
  let s30 = v128.load(c3), s31 = v128.load(c3, 16);
  let a0 = a, a1 = a + nextA, a2 = a1 + nextA, a3 = a2 + nextA;
  for (let k = 0; k < depth; k++) {
    const b0 = v128.load(b), b1 = v128.load(b, 16);
    const x0 = v128.load32_splat(a0), x1 = v128.load32_splat(a1), x2 = v128.load32_splat(a2), x3 = v128.load32_splat(a3);
    s00 = f32x4.sub(s00, f32x4.mul(x0, b0)); s01 = f32x4.sub(s01, f32x4.mul(x0, b1));
    s10 = f32x4.sub(s10, f32x4.mul(x1, b0)); s11 = f32x4.sub(s11, f32x4.mul(x1, b1));
    s20 = f32x4.sub(s20, f32x4.mul(x2, b0)); s21 = f32x4.sub(s21, f32x4.mul(x2, b1));
    s30 = f32x4.sub(s30, f32x4.mul(x3, b0)); s31 = f32x4.sub(s31, f32x4.mul(x3, b1));
    b += nextB;
    a0 += 4; a1 += 4; a2 += 4; a3 += 4;
  }
  v128.store(c, s00); v128.store(c, s01, 16);
  v128.store(c1, s10); v128.store(c1, s11, 16);
  v128.store(c2, s20); v128.store(c2, s21, 16);
  v128.store(c3, s30); v128.store(c3, s31, 16);
}

/** 1 row of 8 columns. */
// @ts-ignore: decorator
@inline
function line(c: usize, a: usize, b: usize, nextB: usize, depth: i32): void {
  let s0 = v128.load(c), s1 = v128.load(c, 16);
  for (let k = 0; k < depth; k++) {
    const x = v128.load32_splat(a);
    s0 = f32x4.sub(s0, f32x4.mul(x, v128.load(b)));
    s1 = f32x4.sub(s1, f32x4.mul(x, v128.load(b, 16)));
    b += nextB;
    a += 4;
  }
  v128.store(c, s0); v128.store(c, s1, 16);
}

/** y ← y − factor·x, `count` elements. */
export function subtractScaled(y: usize, x: usize, factor: f32, count: i32): void {
  const splat = f32x4.splat(factor);
  let i = 0;
  for (; i + 4 <= count; i += 4) {
    const at = <usize>i << 2;
    v128.store(y + at, f32x4.sub(v128.load(y + at), f32x4.mul(splat, v128.load(x + at))));
  }
  for (; i < count; i++) {
    const at = <usize>i << 2;
    store<f32>(y + at, load<f32>(y + at) - factor * load<f32>(x + at));
  }
}
