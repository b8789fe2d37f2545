/**
 * The triangular factor that OBS needs: U, upper triangular, with UᵀU = (H + damping)⁻¹ (Frantar et al. 2022). Rows of U
 * divided by their diagonal say how the error of one weight is compensated by the weights after it.
 *
 * With the order of the channels reversed, H = LLᵀ has the inverse of U as its factor, so one Cholesky decomposition and one
 * triangular inverse are enough. Both work on panels; the products between panels run in the kernel.
 */
import type { Matrices } from './matrices.ts';

const PANEL = 64;

export interface FactorOptions {
  /** H [n, n], symmetric. */
  readonly gram: Float32Array;
  readonly size: number;
  /** Order in which the channels are quantized. */
  readonly order: Int32Array;
  /** Added to the diagonal. */
  readonly damping: number;
}

/** A share of the damping, so that nothing depends on the scale of the inputs: formats without a zero always err in dead channels. */
const DEAD = 0.002;

/** An element of the diagonal with damping. That of a dead channel is 0: its errors count almost nothing. */
export function damped(diagonal: number, damping: number): number {
  if (diagonal > 0) return diagonal + damping;
  return damping > 0 ? DEAD * damping : 1;
}

/** @returns the address of U [n, n], behind which memory is in use no more; undefined if the matrix is not positive definite in f32 */
export function inverseCholesky(matrices: Matrices, options: FactorOptions): number | undefined {
  const { size: n } = options;
  const lower = matrices.allocate(n * n);
  const inverse = matrices.allocate(n * n);
  const scratch = matrices.allocate(PANEL * n);
  // allocated before it is read, because growing the memory detaches its arrays
  place(matrices.floats, lower, options);
  if (!decompose(matrices, lower, n, scratch)) return undefined;
  invert(matrices, lower, inverse, n, scratch);
  matrices.floats.subarray(inverse, inverse + n * n).reverse();
  return inverse;
}

/** Writes H with damping, in reversed order. */
function place(floats: Float32Array, at: number, { gram, size: n, order, damping }: FactorOptions): void {
  for (let i = 0; i < n; i++) {
    const row = order[n - 1 - i];
    for (let j = 0; j < n; j++) floats[at + i * n + j] = gram[row * n + order[n - 1 - j]];
    floats[at + i * n + i] = damped(gram[row * n + row], damping);
  }
}

/** Replaces the lower triangle of a matrix by its factor L. Returns false if a pivot is not positive. */
function decompose(matrices: Matrices, a: number, n: number, scratch: number): boolean {
  const { floats } = matrices;
  for (let k = 0; k < n; k += PANEL) {
    const end = Math.min(k + PANEL, n);
    for (let j = k; j < end; j++) {
      let pivot = floats[a + j * n + j];
      for (let t = k; t < j; t++) pivot -= floats[a + j * n + t] ** 2;
      if (!(pivot > 0)) return false;
      pivot = Math.sqrt(pivot);
      floats[a + j * n + j] = pivot;
      for (let i = j + 1; i < n; i++) {
        let sum = floats[a + i * n + j];
        for (let t = k; t < j; t++) sum -= floats[a + i * n + t] * floats[a + j * n + t];
        floats[a + i * n + j] = sum / pivot;
      }
    }
    const rest = n - end;
    for (let i = 0; i < rest; i++)
      for (let t = k; t < end; t++) floats[scratch + (t - k) * rest + i] = floats[a + (end + i) * n + t];
    for (let i = end; i < n; i += PANEL) {
      const rows = Math.min(PANEL, n - i);
      const to = { at: a + i * n + end, stride: n };
      const panel = { at: a + i * n + k, stride: n };
      matrices.subtractProduct(to, panel, { at: scratch, stride: rest }, rows, end - k, i + rows - end);
    }
  }
  return true;
}

/** Writes L⁻¹, lower triangular with zeros above. */
function invert(matrices: Matrices, l: number, inverse: number, n: number, scratch: number): void {
  const { floats } = matrices;
  floats.fill(0, inverse, inverse + n * n);
  const small = new Float64Array(PANEL * PANEL);
  const negative = matrices.allocate(PANEL * PANEL);
  for (let k = 0; k < n; k += PANEL) {
    const size = Math.min(PANEL, n - k);
    // the inverse of the diagonal panel
    small.fill(0);
    for (let j = 0; j < size; j++) {
      small[j * PANEL + j] = 1 / matrices.floats[l + (k + j) * n + k + j];
      for (let i = j + 1; i < size; i++) {
        let sum = 0;
        for (let t = j; t < i; t++) sum -= matrices.floats[l + (k + i) * n + k + t] * small[t * PANEL + j];
        small[i * PANEL + j] = sum / matrices.floats[l + (k + i) * n + k + i];
      }
    }
    for (let i = 0; i < size; i++)
      for (let j = 0; j < size; j++) {
        matrices.floats[inverse + (k + i) * n + k + j] = small[i * PANEL + j];
        matrices.floats[negative + i * PANEL + j] = -small[i * PANEL + j];
      }
    // the rows before it: −inverse of the diagonal · (L · inverse so far)
    matrices.floats.fill(0, scratch, scratch + size * k);
    for (let from = 0; from < k; from += PANEL) {
      const columns = Math.min(PANEL, k - from);
      const to = { at: scratch + from, stride: k };
      const left = { at: l + k * n + from, stride: n };
      const right = { at: inverse + from * n + from, stride: n };
      matrices.subtractProduct(to, left, right, size, k - from, columns);
    }
    const to = { at: inverse + k * n, stride: n };
    matrices.subtractProduct(to, { at: negative, stride: PANEL }, { at: scratch, stride: k }, size, size, k);
  }
}
