/**
 * Nested widths (MatFormer, Devvrit et al. 2023, arXiv 2310.07707): the neurons of every feed-forward part are sorted, and a narrower
 * model is the first of them. The file is an ordinary one, which any engine runs at its whole width; it says in `espalier.widths` how
 * many neurons its submodels have, ascending.
 *
 * A narrower model takes the first rows of gate and up, and the first columns of down. Programs share weights by rows only, so `down` is
 * loaded in slabs of columns, `<block>.ffn_down.slab0 …`, one for each width, whose products are added up.
 */
import { FormatError, OptionError, UnsupportedError } from '../core/errors.ts';
import type { Checkpoint, CheckpointTensor } from '../formats/checkpoint.ts';
import { bytesOf } from '../tensor/blockFormat.ts';
import { slabName } from './parts/project.ts';

/** Metadata key: numbers of neurons of the submodels, the whole last. */
export const WIDTHS = 'espalier.widths';

/** Maximum number of submodels: each takes time when the model is loaded. */
const MAX_WIDTHS = 8;

/** Numbers of neurons of the submodels, ascending; undefined for a file without nested widths. @throws {FormatError} */
export function widthsOf(checkpoint: Checkpoint): readonly number[] | undefined {
  const found = checkpoint.metadata.get(WIDTHS);
  if (found === undefined || checkpoint.kind !== 'gguf') return undefined;
  const widths =
    Array.isArray(found) || ArrayBuffer.isView(found) ? Array.from(found as ArrayLike<unknown>, Number) : [];
  const whole = wholeWidth(checkpoint);
  const isAscending = widths.every((width, i) => Number.isInteger(width) && width > (widths[i - 1] ?? 0));
  if (widths.length === 0 || widths.length > MAX_WIDTHS || !isAscending || widths.at(-1) !== whole) {
    const problem = `${WIDTHS} is ${widths.slice(0, 16).join(', ')}, expected up to ${MAX_WIDTHS} ascending numbers, the last ${whole}`;
    throw new FormatError(checkpoint.name, problem, { key: WIDTHS, expected: whole, found: widths.length });
  }
  return widths;
}

/**
 * A file with nested widths as one of its submodels. @param widths of `widthsOf` @param index of the submodel among them
 * @throws {UnsupportedError} if its feed-forward parts have other matrices than gate, up and down
 * @throws {FormatError} if a width is not whole blocks of a format
 */
export function atWidth(checkpoint: Checkpoint, widths: readonly number[], index: number): Checkpoint {
  const whole = widths.at(-1)!;
  const width = widths[index];
  checkParts(checkpoint, whole);
  const tensors = new Map<string, CheckpointTensor>();
  for (const [name, tensor] of checkpoint.tensors) {
    const [, block, part, kind] = /^(blk\.\d+)\.ffn_(gate|up|down)\.(weight|low|bias)$/.exec(name) ?? [];
    if (part === undefined) tensors.set(name, tensor);
    else if (part !== 'down') tensors.set(name, firstRows(tensor, width));
    else if (kind === 'bias') tensors.set(`${slabName(`${block}.ffn_down`, 0)}.bias`, tensor);
    else
      for (let i = 0; i <= index; i++) {
        const slab = `${slabName(`${block}.ffn_down`, i)}.${kind}`;
        tensors.set(slab, columnsOf(checkpoint, tensor, slab, widths[i - 1] ?? 0, widths[i]));
      }
  }
  const { name, kind, metadata, tokenizer, embedding, chatTemplate, byteLength } = checkpoint;
  const lengths = new Map(metadata).set(lengthKey(checkpoint), width);
  return {
    ...{ name, kind, metadata: lengths, tensors, tokenizer, embedding, chatTemplate, byteLength },
    finish: async (signal) => checkpoint.finish?.(signal),
    close: () => checkpoint.close(),
  };
}

/**
 * Index of the submodel with a share of the neurons.
 * @throws {OptionError} if the file has none
 */
export function widthIndex(checkpoint: Checkpoint, widths: readonly number[] | undefined, share: number): number {
  const whole = widths?.at(-1) ?? 1;
  const index = widths?.findIndex((width) => Math.abs(width / whole - share) < 0.01) ?? -1;
  if (index >= 0) return index;
  const known = widths?.map((width) => (width / whole).toFixed(2)).join(', ');
  throw new OptionError(
    'width',
    share,
    known ? `one of ${known}` : `nothing for ${checkpoint.name}, which has no nested widths`,
  );
}

/** A file whose neurons are in another order, the same model. @param orders of the neurons of each block @param widths see `widthsOf` */
export function withSortedNeurons(
  checkpoint: Checkpoint,
  orders: readonly Int32Array[],
  widths: readonly number[],
): Checkpoint {
  checkParts(checkpoint, wholeWidth(checkpoint));
  const tensors = new Map<string, CheckpointTensor>();
  for (const [name, tensor] of checkpoint.tensors) {
    const [, block, part, kind] = /^blk\.(\d+)\.ffn_(gate|up|down)\.(weight|bias)$/.exec(name) ?? [];
    const order = part === undefined ? undefined : orders[Number(block)];
    if (!order || (part === 'down' && kind === 'bias')) tensors.set(name, tensor);
    else tensors.set(name, part === 'down' ? orderedColumns(tensor, order) : orderedRows(tensor, order));
  }
  const { name, kind, metadata, tokenizer, embedding, chatTemplate, byteLength } = checkpoint;
  return {
    ...{ name, kind, tensors, tokenizer, embedding, chatTemplate, byteLength },
    metadata: new Map(metadata).set(WIDTHS, Uint32Array.from(widths)),
    finish: async (signal) => checkpoint.finish?.(signal),
    close: () => checkpoint.close(),
  };
}

/** Metadata key of the number of neurons. */
const lengthKey = ({ metadata }: Checkpoint): string =>
  `${String(metadata.get('general.architecture'))}.feed_forward_length`;

/** Number of neurons of every block. @throws {UnsupportedError} if blocks have different numbers */
export function wholeWidth(checkpoint: Checkpoint): number {
  const found = checkpoint.metadata.get(lengthKey(checkpoint));
  if (typeof found === 'number' && found > 0) return found;
  throw new UnsupportedError(`${checkpoint.name}: nested widths with`, `${lengthKey(checkpoint)} = ${String(found)}`, [
    'the same number of neurons in all blocks',
  ]);
}

function checkParts({ name: file, tensors }: Checkpoint, whole: number): void {
  for (const [name, { shape }] of tensors) {
    const [, part, kind] =
      /^blk\.\d+\.ffn_(\w+)\.(\w+)$/.exec(name) ?? (/^blk\.\d+\.ffn[._]/.test(name) ? [name, name] : []);
    if (part === undefined || part === 'norm') continue;
    const neurons = part === 'down' ? (kind === 'low' ? whole / 2 : whole) : undefined;
    const fits =
      part === 'gate' || part === 'up'
        ? shape[0] === whole
        : part === 'down' && (kind === 'bias' || [neurons, whole].includes(shape.at(-1)));
    if (!fits)
      throw new UnsupportedError(`${file}: nested widths with the tensor`, name, ['ffn_gate, ffn_up and ffn_down']);
  }
}

function firstRows(tensor: CheckpointTensor, rows: number): CheckpointTensor {
  const { name, format, shape } = tensor;
  const byteLength = (tensor.byteLength / shape[0]) * rows;
  return { name, format, shape: [rows, ...shape.slice(1)], byteLength, read: (...of) => tensor.read(...of) };
}

function columnsOf(
  { name: file }: Checkpoint,
  tensor: CheckpointTensor,
  name: string,
  from: number,
  to: number,
): CheckpointTensor {
  const { format, shape } = tensor;
  const [rows, columns] = shape as readonly [number, number];
  if (from % format.blockSize !== 0 || to % format.blockSize !== 0)
    throw new FormatError(
      file,
      `${WIDTHS} has ${to}, expected a multiple of ${format.blockSize}, the blocks of ${tensor.name}`,
      {
        key: WIDTHS,
        expected: format.blockSize,
        found: to,
      },
    );
  const [rowBytes, first, size] = [columns, from, to - from].map((count) => bytesOf(format, count)) as [
    number,
    number,
    number,
  ];
  return {
    name,
    format,
    shape: [rows, to - from],
    byteLength: rows * size,
    // only whole rows are read
    async read(offset, into, signal) {
      const count = into.length / size;
      const whole = new Uint8Array(count * rowBytes);
      await tensor.read((offset / size) * rowBytes, whole, signal);
      for (let row = 0; row < count; row++)
        into.set(whole.subarray(row * rowBytes + first, row * rowBytes + first + size), row * size);
    },
  };
}

function orderedRows(tensor: CheckpointTensor, order: Int32Array): CheckpointTensor {
  const rowBytes = tensor.byteLength / order.length;
  return {
    ...described(tensor),
    async read(offset, into, signal) {
      for (let at = 0; at < into.length; at += rowBytes)
        await tensor.read(order[(offset + at) / rowBytes] * rowBytes, into.subarray(at, at + rowBytes), signal);
    },
  };
}

/** Columns are single elements, so the matrix must be in plain floats. */
function orderedColumns(tensor: CheckpointTensor, order: Int32Array): CheckpointTensor {
  const { name, format } = tensor;
  if (format.blockSize !== 1)
    throw new OptionError(`format of ${name}`, format.name, 'F32, F16 or BF16, to sort its columns');
  const size = format.blockBytes;
  const rowBytes = order.length * size;
  return {
    ...described(tensor),
    async read(offset, into, signal) {
      const rows = new Uint8Array(into.length);
      await tensor.read(offset, rows, signal);
      for (let row = 0; row < into.length; row += rowBytes)
        for (const [to, from] of order.entries())
          into.set(rows.subarray(row + from * size, row + (from + 1) * size), row + to * size);
    },
  };
}

const described = ({ name, format, shape, byteLength }: CheckpointTensor) => ({ name, format, shape, byteLength });
