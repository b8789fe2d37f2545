/** Last step of every matrix product: adds bias and residual and writes up to 8 columns of one output row. */
import { address, argument } from "./control";

/** Arguments of a matmul command: 4 output, 5 N, 7 bias or 0, 8 residual or 0. @param column the first of the 8 */
@inline export function storeRows(command: usize, row: i32, column: i32, low: v128, high: v128): void {
  const columns = argument(command, 5);
  const at = (<usize>row * columns + column) << 2;
  const out = address(command, 4) + at;
  const bias = address(command, 7);
  const residual = address(command, 8);
  if (column + 8 <= columns) {
    if (bias) {
      const p = bias + (<usize>column << 2);
      low = f32x4.add(low, v128.load(p));
      high = f32x4.add(high, v128.load(p, 16));
    }
    if (residual) {
      low = f32x4.add(low, v128.load(residual + at));
      high = f32x4.add(high, v128.load(residual + at, 16));
    }
    v128.store(out, low);
    v128.store(out, high, 16);
  } else storeSome(columns - column, out, bias ? bias + (<usize>column << 2) : 0, residual ? residual + at : 0, low, high);
}

function storeSome(count: i32, out: usize, bias: usize, residual: usize, low: v128, high: v128): void {
  for (let i = 0; i < count; i++) {
    let value = f32x4.extract_lane(low, 0);
    if (bias) value += load<f32>(bias + 4 * i);
    if (residual) value += load<f32>(residual + 4 * i);
    store<f32>(out + 4 * i, value);
    low = v128.shuffle<i32>(low, high, 1, 2, 3, 4);
    high = v128.shuffle<i32>(high, high, 1, 2, 3, 3);
  }
}
