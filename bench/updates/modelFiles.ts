/** Model files of random weights for the comparison of updaters: the same seeds make the same bytes. */
import { type Random, seededRandom } from '../../src/core/random.ts';
import { type GgufValue, writeGguf } from '../../src/formats/gguf/write.ts';
import { writeSafetensors } from '../../src/formats/safetensors/write.ts';
import { fileSink } from '../../src/formats/sources/path.node.ts';
import { formatByName } from '../../src/tensor/formats.ts';

/** Weights of deviation 0.02 that are drawn, moved, and encoded. */
export interface Tensor {
  readonly name: string;
  readonly seed: number;
  readonly format: string;
  /** Slowest dimension first. */
  readonly shape: readonly number[];
  /** Noise that was added since, one after another, each as a share of the weights' deviation. */
  readonly noise?: readonly number[];
  /** Format that the weights are rounded to before they are encoded, as when a quantized file is quantized again. */
  readonly from?: string;
}

/** A component of a model, and how its file is made. */
export interface ModelFile {
  readonly role: string;
  readonly fileName: string;
  readonly write: (path: string) => Promise<void>;
}

const DEVIATION = 0.02;
/** Values that are drawn at a time. */
const PART = 262_144;

export function tensorBytes({ format: name, shape }: Tensor): number {
  const format = formatByName(name);
  return (shape.reduce((product, size) => product * size, 1) / format.blockSize) * format.blockBytes;
}

export function tensorData(tensor: Tensor): Uint8Array {
  const { seed, shape, noise = [], format: name, from } = tensor;
  const [format, rounding] = [formatByName(name), from === undefined ? undefined : formatByName(from)];
  const data = new Uint8Array(tensorBytes(tensor));
  const count = shape.reduce((product, size) => product * size, 1);
  const weights = seededRandom(seed);
  const moves = noise.map((share, i): [number, Random] => [share, seededRandom(seed + 100_000 * (i + 1))]);
  for (let done = 0; done < count; done += PART) {
    const values = Float32Array.from({ length: Math.min(PART, count - done) }, () =>
      moves.reduce((sum, [share, random]) => sum + DEVIATION * share * random.normal(), DEVIATION * weights.normal()),
    );
    if (rounding) {
      const blocks = values.length / rounding.blockSize;
      const rounded = new Uint8Array(blocks * rounding.blockBytes);
      rounding.encode(values, 0, rounded, 0, blocks);
      rounding.decode(rounded, 0, values, 0, blocks);
    }
    const at = (done / format.blockSize) * format.blockBytes;
    format.encode(values, 0, data, at, values.length / format.blockSize);
  }
  return data;
}

export type MakeData = (tensor: Tensor) => Uint8Array;

export interface GgufOptions {
  readonly role?: string;
  readonly fileName?: string;
  readonly metadata?: readonly (readonly [string, GgufValue])[];
  /** Default: drawn anew. */
  readonly data?: MakeData;
}

export function ggufFile(tensors: readonly Tensor[], options: GgufOptions = {}): ModelFile {
  const { role = 'base', fileName = 'model.gguf', metadata = [], data = tensorData } = options;
  return {
    role,
    fileName,
    async write(path) {
      const sink = await fileSink(path);
      await writeGguf(sink, {
        metadata: [['general.architecture', 'llama'], ...metadata],
        tensors: tensors.map((tensor) => toWrite(tensor, data)),
      });
      await sink.close();
    },
  };
}

export function safetensorsFile(tensors: readonly Tensor[], role = 'base'): ModelFile {
  return {
    role,
    fileName: 'model.safetensors',
    async write(path) {
      const sink = await fileSink(path);
      await writeSafetensors(sink, { tensors: tensors.map((tensor) => toWrite(tensor, tensorData)) });
      await sink.close();
    },
  };
}

function toWrite(tensor: Tensor, data: MakeData) {
  const { name, format, shape } = tensor;
  return { name, format: formatByName(format), shape, data: () => data(tensor) };
}

/**
 * Data of many large tensors in Q4_0, made in seconds: few are drawn, the others have the same blocks with their codes in another order.
 * No chunk of a file is like another one, and the statistics stay.
 */
export function shuffledData(): MakeData {
  const drawn = new Map<string, Uint8Array>();
  const DRAWN = 8;
  const [BLOCK, SCALE, CODES] = [18, 2, 16];
  return (tensor) => {
    // every order of every drawn tensor is used up
    if (tensor.seed >= DRAWN * CODES * 2) return tensorData(tensor);
    const key = JSON.stringify([tensor.seed % DRAWN, tensor.noise, tensor.shape]);
    let source = drawn.get(key);
    if (!source) {
      source = tensorData({ ...tensor, seed: tensor.seed % DRAWN });
      drawn.set(key, source);
    }
    const order = Math.floor(tensor.seed / DRAWN);
    const data = source.slice();
    for (let block = 0; block < data.length; block += BLOCK)
      for (let i = 0; i < CODES; i++) {
        const byte = source[block + SCALE + ((i + order) % CODES)];
        data[block + SCALE + i] = Math.floor(order / CODES) % 2 === 1 ? (byte << 4) | (byte >> 4) : byte;
      }
    return data;
  };
}
