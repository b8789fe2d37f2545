/** Explains why a tensor has its format, for reports and cards. */
import { formatByName } from '../tensor/formats.ts';
import { fileTypeByName } from './fileTypes.ts';
import { isQuantizable } from './mixture.ts';
import type { Planned } from './plan.ts';
import type { QuantizeOptions } from './quantize.ts';

const EMBEDDINGS = ['token_embd.weight', 'per_layer_token_embd.weight'];

/** @param isTied true if the token embedding is the output matrix, too */
export function formatReason(
  { tensor, format, hasLowPlane }: Planned,
  options: QuantizeOptions,
  isTied: boolean,
): string {
  const { name, shape } = tensor;
  if (!isQuantizable(tensor))
    return format === tensor.format
      ? 'kept: a vector, or a matrix that is never quantized'
      : 'llama.cpp needs vectors in F32';
  if (options.nested && format.name !== 'F32')
    return hasLowPlane ? 'nested bits: Q4_0 and a low plane' : 'nested bits: the same in both readings';
  if (options.tokenEmbeddingType && EMBEDDINGS.includes(name)) return 'named by tokenEmbeddingType';
  if (options.outputTensorType && name === 'output.weight') return 'named by outputTensorType';
  const pattern = options.tensorTypes?.find(([each]) => new RegExp(each).test(name))?.[0];
  if (pattern !== undefined) return `named by tensorTypes: ${pattern}`;
  if (options.outputTensorType && isTied && EMBEDDINGS.includes(name)) return 'named by outputTensorType';
  if (options.type === undefined) return 'chosen within the budget, by what each format loses';
  const type = fileTypeByName(options.type);
  if (format.name === type.format) return `the format of ${type.name}`;
  const width = shape.at(-1)!;
  const { blockSize } = formatByName(type.format);
  if (width % blockSize !== 0) return `rows of ${width} are no whole blocks of ${type.format} (${blockSize})`;
  return `llama.cpp's mixture ${type.name} has ${format.name} for it`;
}
