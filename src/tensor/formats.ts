/** The list of block formats. To add one, add a file in quant/ and a line here. */
import { UnsupportedError } from '../core/errors.ts';
import type { BlockFormat } from './blockFormat.ts';
import { BF16 } from './quant/bf16.ts';
import { F16 } from './quant/f16.ts';
import { F32 } from './quant/f32.ts';
import { I8 } from './quant/i8.ts';
import { IQ1_M } from './quant/iq1_m.ts';
import { IQ1_S } from './quant/iq1_s.ts';
import { IQ2_S } from './quant/iq2_s.ts';
import { IQ2_XS } from './quant/iq2_xs.ts';
import { IQ2_XXS } from './quant/iq2_xxs.ts';
import { IQ3_S } from './quant/iq3_s.ts';
import { IQ3_XXS } from './quant/iq3_xxs.ts';
import { IQ4_NL } from './quant/iq4_nl.ts';
import { IQ4_XS } from './quant/iq4_xs.ts';
import { MXFP4 } from './quant/mxfp4.ts';
import { NVFP4 } from './quant/nvfp4.ts';
import { Q1_0 } from './quant/q1_0.ts';
import { Q2_0 } from './quant/q2_0.ts';
import { Q2_K } from './quant/q2_k.ts';
import { Q3_K } from './quant/q3_k.ts';
import { Q4_0 } from './quant/q4_0.ts';
import { Q4_1 } from './quant/q4_1.ts';
import { Q4_K } from './quant/q4_k.ts';
import { Q5_0 } from './quant/q5_0.ts';
import { Q5_1 } from './quant/q5_1.ts';
import { Q5_K } from './quant/q5_k.ts';
import { Q6_K } from './quant/q6_k.ts';
import { Q8_0 } from './quant/q8_0.ts';
import { TQ1_0 } from './quant/tq1_0.ts';
import { TQ2_0 } from './quant/tq2_0.ts';

export const blockFormats: readonly BlockFormat[] = [
  F32,
  F16,
  BF16,
  Q8_0,
  Q4_0,
  Q4_1,
  Q5_0,
  Q5_1,
  Q2_K,
  Q3_K,
  Q4_K,
  Q5_K,
  Q6_K,
  IQ4_NL,
  IQ4_XS,
  TQ1_0,
  TQ2_0,
  MXFP4,
  NVFP4,
  Q1_0,
  Q2_0,
  IQ3_S,
  IQ3_XXS,
  IQ2_S,
  IQ2_XS,
  IQ2_XXS,
  IQ1_M,
  IQ1_S,
];

const names = blockFormats.map((format) => format.name);

/** @param name as in ggml, e.g. 'Q4_0' @throws {UnsupportedError} if it is unknown; lists the known names */
export function formatByName(name: string): BlockFormat {
  const format = blockFormats.find((format) => format.name === name);
  if (!format) throw new UnsupportedError('block format', name, names);
  return format;
}

/**
 * @param type type number in ggml and in GGUF files
 * @param where location for the error message, e.g. 'model.gguf: tensor blk.0.attn_q.weight'
 * @returns one of `blockFormats`, or I8, which has no kernels
 * @throws {UnsupportedError} if it is unknown; names `where`, the type and the known formats
 */
export function formatByGgmlType(type: number, where: string): BlockFormat {
  const format = type === I8.ggmlType ? I8 : blockFormats.find((format) => format.ggmlType === type);
  if (!format)
    throw new UnsupportedError(`${where}: type`, otherGgmlTypes[type] ?? String(type), names, { where, type });
  return format;
}

/** ggml's names of unsupported types by number, for error messages. */
const otherGgmlTypes: Readonly<Record<number, string>> = {
  4: 'Q4_2',
  5: 'Q4_3',
  9: 'Q8_1',
  15: 'Q8_K',
  25: 'I16',
  26: 'I32',
  27: 'I64',
  28: 'F64',
  31: 'Q4_0_4_4',
  32: 'Q4_0_4_8',
  33: 'Q4_0_8_8',
  36: 'IQ4_NL_4_4',
  37: 'IQ4_NL_4_8',
  38: 'IQ4_NL_8_8',
};
