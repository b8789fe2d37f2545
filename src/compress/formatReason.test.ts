import { expect, it } from 'vitest';
import { formatByName } from '../tensor/formats.ts';
import { formatReason } from './formatReason.ts';
import type { QuantizeOptions } from './quantize.ts';

it.each([
  ['blk.0.attn_q.weight', 256, 'Q4_K', { type: 'Q4_K_M' }, 'the format of Q4_K_M'],
  ['blk.0.attn_v.weight', 256, 'Q6_K', { type: 'Q4_K_M' }, "llama.cpp's mixture Q4_K_M has Q6_K for it"],
  ['blk.0.attn_q.weight', 640, 'Q5_0', { type: 'Q4_K_M' }, 'rows of 640 are no whole blocks of Q4_K (256)'],
  ['blk.0.attn_norm.weight', 1, 'F32', { type: 'Q4_K_M' }, 'kept: a vector, or a matrix that is never quantized'],
  ['blk.0.ffn_up.weight', 256, 'Q8_0', { type: 'Q4_0', tensorTypes: [['up', 'q8_0']] }, 'named by tensorTypes: up'],
  ['output.weight', 256, 'Q8_0', { type: 'Q4_0', outputTensorType: 'q8_0' }, 'named by outputTensorType'],
  ['token_embd.weight', 256, 'Q8_0', { type: 'Q4_0', outputTensorType: 'q8_0' }, 'named by outputTensorType'],
  ['blk.0.ffn_up.weight', 256, 'Q3_K', { targetBits: 3.5 }, 'chosen within the budget, by what each format loses'],
] as [string, number, string, QuantizeOptions, string][])(
  '%s of %i columns in %s: %o',
  (name, width, to, options, reason) => {
    const shape = name.includes('norm') ? [256] : [64, width];
    const tensor = { name, shape, format: formatByName('F32'), byteLength: 0, read: async () => undefined };
    expect(formatReason({ tensor, format: formatByName(to), stage: 0 }, options, true)).toBe(reason);
  },
);
