/** Reads the rows of a graph's weights from a checkpoint, rearranging tensors that its files store in another order. */
import type { CheckpointTensor } from '../formats/checkpoint.ts';
import type { WeightStore } from '../graph/program.ts';
import { type BlockFormat, bytesOf } from '../tensor/blockFormat.ts';
import type { BuiltModel, StoredWeight } from './buildModel.ts';
import type { ElementChange } from './folders/family.ts';

export function weightStore(model: BuiltModel): WeightStore {
  // one rearranged tensor at a time: rows are read in order, tensor after tensor
  let made: { name: string; bytes: Uint8Array } | undefined;
  return {
    place({ attributes: { tensor } }) {
      return model.filled.has(tensor) ? Number.MAX_SAFE_INTEGER : model.stored(tensor).place;
    },
    async readRows(weight, from, into, signal) {
      const { tensor } = weight.attributes;
      const filling = model.filled.get(tensor);
      if (filling !== undefined) {
        new Uint8Array(into.buffer, into.byteOffset, into.length).set(
          new Uint8Array(new Float32Array(into.length / 4).fill(filling).buffer),
        );
        return;
      }
      const stored = model.stored(tensor);
      const [rows, columns] = weight.shape as readonly [number, number];
      const inPlace = storedInPlace(stored);
      if (inPlace) return inPlace.read((from * inPlace.byteLength) / rows, into, signal);
      if (made?.name !== tensor) made = { name: tensor, bytes: await rearranged(stored, rows, columns, signal) };
      const rowBytes = made.bytes.length / rows;
      into.set(made.bytes.subarray(from * rowBytes, from * rowBytes + into.length));
      if (from * rowBytes + into.length === made.bytes.length) made = undefined;
    },
  };
}

/** The tensor whose rows are those of the weight; undefined if they must be rearranged or changed. */
export function storedInPlace({ tensors, transposed, order, change }: StoredWeight): CheckpointTensor | undefined {
  return tensors.length === 1 && !transposed && !order && !change ? tensors[0] : undefined;
}

/** Tensors that are transposed or changed are plain floats, so that a block is an element. */
async function rearranged(
  { tensors, transposed, order, change }: StoredWeight,
  rows: number,
  columns: number,
  signal?: AbortSignal,
): Promise<Uint8Array> {
  const { format } = tensors[0];
  let bytes = new Uint8Array(tensors.reduce((sum, tensor) => sum + tensor.byteLength, 0));
  let offset = 0;
  for (const tensor of tensors) {
    await tensor.read(0, bytes.subarray(offset, offset + tensor.byteLength), signal);
    offset += tensor.byteLength;
  }
  if (order) bytes = ordered(bytes, order, bytesOf(format, (rows * columns) / order.length));
  if (transposed) bytes = turned(bytes, rows, columns, format.blockBytes);
  return change ? changed(bytes, format, change) : bytes;
}

/** The rows of `order`, each of `rowBytes`. */
function ordered(bytes: Uint8Array, order: Int32Array, rowBytes: number): Uint8Array<ArrayBuffer> {
  const result = new Uint8Array(order.length * rowBytes);
  for (const [at, row] of order.entries())
    result.set(bytes.subarray(row * rowBytes, (row + 1) * rowBytes), at * rowBytes);
  return result;
}

/** [inputs, outputs] → [outputs, inputs] */
function turned(bytes: Uint8Array, rows: number, columns: number, size: number): Uint8Array<ArrayBuffer> {
  const result = new Uint8Array(bytes.length);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      const from = (column * rows + row) * size;
      for (let byte = 0; byte < size; byte++) result[(row * columns + column) * size + byte] = bytes[from + byte];
    }
  }
  return result;
}

function changed(bytes: Uint8Array, format: BlockFormat, change: ElementChange): Uint8Array<ArrayBuffer> {
  const elements = bytes.length / format.blockBytes;
  const values = new Float32Array(elements);
  format.decode(bytes, 0, values, 0, elements);
  return new Uint8Array(values.map(change).buffer);
}
