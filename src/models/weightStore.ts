/** Reads rows of a graph's weights from a checkpoint. Transposes matrices that are stored [inputs, outputs]. */
import type { WeightStore } from '../graph/program.ts';
import type { BuiltModel, StoredWeight } from './buildModel.ts';

export function weightStore(model: BuiltModel): WeightStore {
  // only one transposed matrix is kept: rows are read in order, tensor after tensor
  let turned: { name: string; bytes: Uint8Array } | undefined;
  return {
    place({ attributes: { tensor } }) {
      return model.factors.has(tensor) ? Number.MAX_SAFE_INTEGER : model.stored(tensor).place;
    },
    async readRows(weight, from, into, signal) {
      const { tensor } = weight.attributes;
      if (model.factors.has(tensor)) {
        into.fill(0);
        return;
      }
      const stored = model.stored(tensor);
      const rows = Number(weight.shape[0]);
      const rowBytes = stored.tensor.byteLength / rows;
      if (!stored.transposed) return stored.tensor.read(from * rowBytes, into, signal);
      if (turned?.name !== tensor) turned = { name: tensor, bytes: await turn(stored, rows, weight.shape[1], signal) };
      into.set(turned.bytes.subarray(from * rowBytes, from * rowBytes + into.length));
      if (from * rowBytes + into.length === turned.bytes.length) turned = undefined;
    },
  };
}

/** Transposes [inputs, outputs] → [outputs, inputs]. Such tensors are always plain floats, so a block is one element. */
async function turn(
  { tensor }: StoredWeight,
  rows: number,
  columns: number,
  signal?: AbortSignal,
): Promise<Uint8Array> {
  const size = tensor.format.blockBytes;
  const bytes = new Uint8Array(tensor.byteLength);
  await tensor.read(0, bytes, signal);
  const result = new Uint8Array(tensor.byteLength);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const from = (column * rows + row) * size;
      for (let byte = 0; byte < size; byte++) result[(row * columns + column) * size + byte] = bytes[from + byte]!;
    }
  }
  return result;
}
