/** Models of real shapes with random blocks, made as they are read: for timings of nested bits beside Q8_0. */
import { floatToHalf } from '../../src/core/half.ts';
import { seededRandom } from '../../src/core/random.ts';
import type { Checkpoint, CheckpointTensor } from '../../src/formats/checkpoint.ts';
import { openCheckpoint } from '../../src/formats/open.ts';
import { lowPlane } from '../../src/models/nestedBits.ts';
import { type BlockFormat, bytesOf } from '../../src/tensor/blockFormat.ts';
import { formatByName } from '../../src/tensor/formats.ts';
import { I8 } from '../../src/tensor/quant/i8.ts';
import { randomModel } from '../models.ts';

/** Both have heads of 64. */
const shapes = {
  '135m': { layers: 30, width: 576, heads: 9, kvHeads: 3, ffn: 1536, vocabulary: 49_152 },
  '1b': { layers: 16, width: 2048, heads: 32, kvHeads: 8, ffn: 8192, vocabulary: 128_256 },
} as const;
export type Shape = keyof typeof shapes;

const [F32, Q4_0, Q8_0] = ['F32', 'Q4_0', 'Q8_0'].map(formatByName) as [BlockFormat, BlockFormat, BlockFormat];
const SCALE = floatToHalf(0.002);

/** @param kind all matrices in Q8_0, or those of the blocks with nested bits @returns without tokenizer */
export async function madeUp(shape: Shape, kind: 'nested' | 'Q8_0'): Promise<Checkpoint> {
  const { layers, width, heads, kvHeads, ffn, vocabulary } = shapes[shape];
  const file = await openCheckpoint(randomModel('135m', 'Q4_0').file());
  const metadata = new Map([...file.metadata].filter(([key]) => !key.startsWith('tokenizer.')));
  await file.close();
  const set = (key: string, value: number) => metadata.set(`llama.${key}`, value);
  set('block_count', layers);
  set('embedding_length', width);
  set('feed_forward_length', ffn);
  set('attention.head_count', heads);
  set('attention.head_count_kv', kvHeads);
  const tensors = new Map<string, CheckpointTensor>();
  const add = (name: string, format: BlockFormat, ...size: number[]) => {
    const byteLength = bytesOf(
      format,
      size.reduce((product, each) => product * each, 1),
    );
    tensors.set(name, {
      name,
      format,
      shape: size,
      byteLength,
      read: async (offset, into) => fill(format, offset, into),
    });
  };
  const matrix = (name: string, rows: number, columns: number) => {
    add(name, kind === 'nested' ? Q4_0 : Q8_0, rows, columns);
    if (kind === 'nested') add(lowPlane(name), I8, rows, columns / 2);
  };
  add('token_embd.weight', Q8_0, vocabulary, width);
  for (let layer = 0; layer < layers; layer++) {
    const block = `blk.${layer}`;
    add(`${block}.attn_norm.weight`, F32, width);
    for (const [part, rows] of [
      ['q', heads],
      ['k', kvHeads],
      ['v', kvHeads],
    ] as const)
      matrix(`${block}.attn_${part}.weight`, 64 * rows, width);
    matrix(`${block}.attn_output.weight`, width, 64 * heads);
    add(`${block}.ffn_norm.weight`, F32, width);
    matrix(`${block}.ffn_gate.weight`, ffn, width);
    matrix(`${block}.ffn_up.weight`, ffn, width);
    matrix(`${block}.ffn_down.weight`, width, ffn);
  }
  add('output_norm.weight', F32, width);
  const byteLength = [...tensors.values()].reduce((sum, tensor) => sum + tensor.byteLength, 0);
  return { name: `${shape}, ${kind}`, kind: 'gguf', metadata, tensors, byteLength, close: async () => undefined };
}

const random = seededRandom(5);
/** Whole blocks of both formats, with other bytes in each. */
const noise = Uint8Array.from({ length: 3600 * Q4_0.blockBytes }, () => random.integer(256));

function fill(format: BlockFormat, offset: number, into: Uint8Array): void {
  if (format === F32) {
    const ones = new Uint8Array(new Float32Array(into.length / 4).fill(1).buffer);
    into.set(ones);
    return;
  }
  for (let at = 0; at < into.length; ) {
    const from = (offset + at) % noise.length;
    const count = Math.min(noise.length - from, into.length - at);
    into.set(noise.subarray(from, from + count), at);
    at += count;
  }
  if (format === I8) return;
  // only whole rows are read
  for (let at = 0; at < into.length; at += format.blockBytes) {
    into[at] = SCALE & 255;
    into[at + 1] = SCALE >> 8;
  }
}
