/**
 * Integer golden vectors for those who build hardware: small inputs of every inference op with the results that a device must have. Products are
 * exact: scales of blocks are 1, so weights, activations and sums are integers. Other ops take fixed-point numbers, and results are those of
 * the reference backend, rounded to 16 fractional bits.
 */
import { reference } from '../backends/reference/index.ts';
import { type Random, seededRandom } from '../core/random.ts';
import { Graph, type Value } from '../graph/graph.ts';
import { activation } from '../graph/ops/activation.ts';
import { add } from '../graph/ops/add.ts';
import { attention } from '../graph/ops/attention.ts';
import { input } from '../graph/ops/input.ts';
import { multiply } from '../graph/ops/multiply.ts';
import { rmsNorm } from '../graph/ops/rmsNorm.ts';
import { rope } from '../graph/ops/rope.ts';
import { weight } from '../graph/ops/weight.ts';
import { type BlockFormat, bytesOf } from '../tensor/blockFormat.ts';
import { blockFormats, formatByName } from '../tensor/formats.ts';

/** Numbers of a vector: integers times `scale`, a power of two. */
export interface GoldenNumbers {
  readonly shape: readonly number[];
  readonly type: 'int8' | 'int16' | 'int32';
  readonly scale: number;
  readonly values: readonly number[];
}

/** A matrix in the bytes of its block format. */
export interface GoldenBlocks {
  readonly shape: readonly number[];
  readonly format: string;
  readonly hex: string;
}

export interface GoldenVector {
  readonly op: string;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly inputs: Readonly<Record<string, GoldenNumbers | GoldenBlocks>>;
  readonly output: GoldenNumbers;
  /** Largest difference of an output from the true one, in units of its last place. 0: exact. */
  readonly tolerance: number;
}

export interface GoldenVectors {
  readonly version: 1;
  readonly seed: number;
  readonly vectors: readonly GoldenVector[];
}

const [TOKENS, ROWS, COLUMNS, WIDTH] = [3, 8, 256, 64] as const;
/** A half float of 1. */
const HALF_ONE = 0x3c00;
/** Fractional bits of inputs and outputs. */
const [INPUT_BITS, OUTPUT_BITS] = [8, 16] as const;
const HEAD = { heads: 4, kvHeads: 2, headSize: 16 } as const;
const FREQUENCIES = Float32Array.from({ length: 8 }, (_, i) => 10_000 ** (-i / 8));

export async function goldenVectors(seed = 1): Promise<GoldenVectors> {
  const random = seededRandom(seed);
  const formats = blockFormats.filter(({ grid, blockSize }) => grid && COLUMNS % blockSize === 0);
  const products = formats.map((format) => product(format, random));
  const others: GoldenVector[] = [];
  for (const other of OTHERS) others.push(await referenceVector(other, random));
  return { version: 1, seed, vectors: [...products, ...others] };
}

/** y = W · x with integer blocks. Every 32 activations have one of ±127, so that a device that quantizes them finds the scale 1. */
function product(format: BlockFormat, random: Random): GoldenVector {
  const blocks = (ROWS * COLUMNS) / format.blockSize;
  const bytes = Uint8Array.from({ length: bytesOf(format, ROWS * COLUMNS) }, () => random.integer(256));
  for (let block = 0; block < blocks; block++)
    for (const half of format.grid!.halves) {
      bytes[block * format.blockBytes + half] = HALF_ONE & 255;
      bytes[block * format.blockBytes + half + 1] = HALF_ONE >> 8;
    }
  const weights = new Float32Array(ROWS * COLUMNS);
  format.decode(bytes, 0, weights, 0, blocks);
  const x = Array.from({ length: TOKENS * COLUMNS }, (_, i) => (i % 32 === 7 ? 127 : random.integer(255) - 127));
  const sums: number[] = [];
  for (let t = 0; t < TOKENS; t++)
    for (let row = 0; row < ROWS; row++) {
      let sum = 0;
      for (let i = 0; i < COLUMNS; i++) sum += weights[row * COLUMNS + i] * x[t * COLUMNS + i];
      sums.push(sum);
    }
  return {
    op: 'linear',
    attributes: { blockSize: format.blockSize, blockBytes: format.blockBytes, multiplyAdds: TOKENS * ROWS * COLUMNS },
    inputs: {
      x: { shape: [TOKENS, COLUMNS], type: 'int8', scale: 1, values: x },
      weight: { shape: [ROWS, COLUMNS], format: format.name, hex: hexOf(bytes) },
    },
    output: { shape: [TOKENS, ROWS], type: 'int32', scale: 1, values: sums },
    tolerance: 0,
  };
}

interface Other {
  readonly op: string;
  readonly attributes: Readonly<Record<string, unknown>>;
  /** Widths of the inputs by name. */
  readonly widths: Readonly<Record<string, number>>;
  /** Width of a gain, which is a weight. */
  readonly gain?: number;
  readonly build: (inputs: readonly Value[], gain: Value | undefined) => Value;
}

const turning = { headSize: HEAD.headSize, layout: 'half', frequencies: FREQUENCIES, magnitude: 1 } as const;
const attending = { ...HEAD, layer: 0, scale: 0.25, window: 0, softcap: 0 };

/** The ops of decoders besides products. */
const OTHERS: readonly Other[] = [
  ...(['silu', 'gelu', 'relu'] as const).map((kind) => ({
    op: 'activation',
    attributes: { kind },
    widths: { x: WIDTH },
    build: ([x]: readonly Value[]) => activation(x, kind),
  })),
  { op: 'add', attributes: {}, widths: { a: WIDTH, b: WIDTH }, build: ([a, b]) => add(a, b) },
  { op: 'multiply', attributes: {}, widths: { a: WIDTH, b: WIDTH }, build: ([a, b]) => multiply(a, b) },
  {
    op: 'rmsNorm',
    attributes: { epsilon: 1e-5 },
    widths: { x: WIDTH },
    gain: WIDTH,
    build: ([x], gain) => rmsNorm(x, gain!, 1e-5),
  },
  {
    op: 'rope',
    attributes: { ...turning, frequencies: [...FREQUENCIES], positions: 'row index' },
    widths: { x: HEAD.heads * HEAD.headSize },
    build: ([x]) => rope(x, turning),
  },
  {
    op: 'attention',
    attributes: { ...attending, causal: true },
    widths: { q: HEAD.heads * HEAD.headSize, k: HEAD.kvHeads * HEAD.headSize, v: HEAD.kvHeads * HEAD.headSize },
    build: ([q, k, v]) => attention(q, k, v, attending),
  },
];

async function referenceVector({ op, attributes, widths, gain, build }: Other, random: Random): Promise<GoldenVector> {
  const draw = (rows: number, width: number): GoldenNumbers => ({
    shape: [rows, width],
    type: 'int16',
    scale: 2 ** -INPUT_BITS,
    values: Array.from({ length: rows * width }, () => random.integer(2049) - 1024),
  });
  const floats = ({ values, scale }: GoldenNumbers) => Float32Array.from(values, (value) => value * scale);
  const numbers = Object.fromEntries(Object.entries(widths).map(([name, width]) => [name, draw(TOKENS, width)]));
  const gains = gain === undefined ? undefined : draw(1, gain);
  const graph = new Graph();
  const nodes = Object.entries(widths).map(([name, width]) => input(graph, name, 'T', width, 'f32'));
  const node = build(nodes, gains && weight(graph, 'gain', formatByName('F32'), 1, gain!));
  graph.outputs.set('y', node);
  const program = await reference.compile(graph, {
    maxTokens: TOKENS,
    maxRows: TOKENS,
    context: TOKENS,
    weights: {
      async readRows(_, __, into) {
        into.set(new Uint8Array(floats(gains!).buffer));
      },
    },
  });
  const given = Object.fromEntries(Object.entries(numbers).map(([name, value]) => [name, floats(value)]));
  const rows = Array.from({ length: TOKENS }, (_, i) => i);
  const result = await program.run({ tokens: rows, rows, outputs: ['y'], inputs: given }).output('y');
  program.dispose();
  return {
    op,
    attributes,
    inputs: { ...numbers, ...(gains && { gain: gains }) },
    output: {
      shape: [TOKENS, result.length / TOKENS],
      type: 'int32',
      scale: 2 ** -OUTPUT_BITS,
      values: Array.from(result, (value) => Math.round(value * 2 ** OUTPUT_BITS)),
    },
    tolerance: 1,
  };
}

const hexOf = (bytes: Uint8Array): string => Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
