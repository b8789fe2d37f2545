/**
 * Chooses the format of each tensor of a file type, exactly as llama-quantize chooses it: `Q4_K_M` is a mixture of Q4_K and Q6_K.
 * Source: llama.cpp, src/llama-quant.cpp (llama_tensor_get_type).
 */
import { OptionError, UnsupportedError } from '../core/errors.ts';
import type { BlockFormat } from '../tensor/blockFormat.ts';
import { formatByName } from '../tensor/formats.ts';
import type { FileType } from './fileTypes.ts';

/** A tensor of the source. */
export interface MixtureTensor {
  readonly name: string;
  /** Slowest dimension first. */
  readonly shape: readonly number[];
  readonly format: BlockFormat;
}

export interface MixtureOptions {
  readonly type: FileType;
  readonly architecture: string;
  readonly layers: number;
  /** Query heads per key head. */
  readonly queryGroups: number;
  readonly experts: number;
  /** True if calibration or an imatrix file is used: Q4_0 and Q5_0 then change some tensors. */
  readonly hasImportance: boolean;
  /** Formats of tensors whose names match; the first match counts. */
  readonly tensorTypes?: readonly (readonly [pattern: RegExp, format: BlockFormat])[];
  readonly outputTensorType?: BlockFormat;
  readonly tokenEmbeddingType?: BlockFormat;
  /** One format for all matrices. */
  readonly pure?: boolean;
}

type Category =
  | 'output'
  | 'embedding'
  | 'qkv'
  | 'v'
  | 'k'
  | 'q'
  | 'attention output'
  | 'up'
  | 'gate'
  | 'down'
  | 'other';

function categoryOf(name: string): Category {
  if (name === 'output.weight') return 'output';
  if (name === 'token_embd.weight' || name === 'per_layer_token_embd.weight') return 'embedding';
  if (name.includes('attn_qkv.weight')) return 'qkv';
  if (name.includes('attn_kv_b.weight') || name.includes('attn_v.weight')) return 'v';
  if (name.includes('attn_k.weight')) return 'k';
  if (name.includes('attn_q.weight')) return 'q';
  if (name.includes('attn_output.weight')) return 'attention output';
  if (name.includes('ffn_up')) return 'up';
  if (name.includes('ffn_gate')) return 'gate';
  return name.includes('ffn_down') ? 'down' : 'other';
}

/** Matrices that stay as they are: routers, small projections, convolutions, positions. */
const KEPT =
  /_norm\.weight|ffn_gate_inp\.weight|altup|laurel|per_layer_model_proj|ssm_conv1d|shortconv\.conv\.weight|indexer\.[kq]_proj\.weight|time_mix_(first|w[012]|v[012]|a[012]|g[12]|decay_w[12]|lerp_fused)\.weight|attn_rel_b\.weight|position_embd|token_types/;

/** True for tensors that a file type quantizes. */
export function isQuantizable({ name, shape }: Pick<MixtureTensor, 'name' | 'shape'>): boolean {
  const dimensions = shape.slice(shape.findIndex((size) => size !== 1)).length;
  return dimensions >= 2 && name.endsWith('weight') && !KEPT.test(name);
}

/** Format of a tensor that is not quantized. Vectors in half floats, as folders have, become F32: llama.cpp needs that. */
export function keptFormat({ shape, format }: Pick<MixtureTensor, 'shape' | 'format'>): BlockFormat {
  const isVector = shape.filter((size) => size !== 1).length < 2;
  return isVector && ['F16', 'BF16'].includes(format.name) ? formatByName('F32') : format;
}

/** @returns the format of each tensor, by name @throws {OptionError} if a format does not fit a tensor that names it */
export function mixture(tensors: readonly MixtureTensor[], options: MixtureOptions): Map<string, BlockFormat> {
  const formats = new Map<string, BlockFormat>();
  const counters = { v: 0, down: 0 };
  const vCount = tensors.filter(({ name }) => ['v', 'qkv'].includes(categoryOf(name))).length;
  const isTied = !tensors.some(({ name }) => name === 'output.weight');
  for (const tensor of [...tensors].sort(byLayer)) {
    const format = isQuantizable(tensor)
      ? chosen(tensor, { ...options, vCount, isTied, counters })
      : keptFormat(tensor);
    formats.set(tensor.name, format);
  }
  return formats;
}

const layerOf = (name: string): number => Number(/^blk\.(\d+)\./.exec(name)?.[1] ?? -1);

/** The order in which llama.cpp counts tensors. */
const byLayer = (a: MixtureTensor, b: MixtureTensor): number =>
  layerOf(a.name) - layerOf(b.name) || (a.name < b.name ? -1 : 1);

interface Choice extends MixtureOptions {
  readonly vCount: number;
  readonly isTied: boolean;
  /** Number of tensors of a category so far. */
  readonly counters: { v: number; down: number };
}

function chosen(tensor: MixtureTensor, choice: Choice): BlockFormat {
  const { name, shape } = tensor;
  const { type, pure } = choice;
  const category = categoryOf(name);
  const format = formatByName(type.format);
  const named = namedFormat(tensor, choice);
  if (named) return named;
  if (format.blockSize === 1) return format;
  return fallback(pure ? format : formatByName(mixed(category, name, shape.at(-1)!, choice)), shape.at(-1)!);
}

/** The format that the options name for a tensor, if any. A tied embedding is the output matrix, too. @throws {OptionError} if it does not fit */
export function namedFormat(
  tensor: MixtureTensor,
  { tensorTypes = [], outputTensorType, tokenEmbeddingType, isTied }: Partial<Choice>,
): BlockFormat | undefined {
  const category = categoryOf(tensor.name);
  const ofHead = { embedding: tokenEmbeddingType, output: outputTensorType }[category as 'embedding' | 'output'];
  const ofTied = isTied && category === 'embedding' ? outputTensorType : undefined;
  const format = ofHead ?? tensorTypes.find(([pattern]) => pattern.test(tensor.name))?.[1] ?? ofTied;
  return format && fitting(tensor, format);
}

/** @throws {OptionError} if the rows of the tensor are not whole blocks */
function fitting({ name, shape }: MixtureTensor, format: BlockFormat): BlockFormat {
  const width = shape.at(-1)!;
  if (format.decodeOnly) throw new UnsupportedError(`${name}: encoding to`, format.name);
  if (width % format.blockSize === 0) return format;
  throw new OptionError(`type of ${name}`, format.name, `a format whose blocks divide rows of ${width}`);
}

/** Replaces a format whose blocks do not divide the rows. */
function fallback(format: BlockFormat, width: number): BlockFormat {
  if (width % format.blockSize === 0) return format;
  const smaller: Readonly<Record<string, string>> = {
    ...Object.fromEntries(
      ['IQ4_XS', 'IQ3_S', 'IQ3_XXS', 'IQ2_S', 'IQ2_XS', 'IQ2_XXS', 'IQ1_M', 'IQ1_S'].map((name) => [name, 'IQ4_NL']),
    ),
    Q2_K: 'Q4_0',
    Q3_K: 'Q4_0',
    TQ1_0: 'Q4_0',
    TQ2_0: 'Q4_0',
    Q4_K: 'Q5_0',
    Q5_K: 'Q5_1',
    Q6_K: 'Q8_0',
  };
  const other = formatByName(smaller[format.name] ?? 'F16');
  return width % other.blockSize === 0 ? other : formatByName('F16');
}

function mixed(category: Category, name: string, width: number, choice: Choice): string {
  const { type, architecture, layers, queryGroups, experts, hasImportance, isTied, counters } = choice;
  const isFalcon = architecture === 'falcon';
  const is = (...types: readonly string[]) => types.includes(type.name);
  if (category === 'output' || (isTied && category === 'embedding')) {
    if (isFalcon || width % formatByName(type.format).blockSize !== 0 || type.format === 'Q8_0') return 'Q8_0';
    return FEW_BITS.includes(type.name) || is('IQ3_XXS') ? 'Q5_K' : 'Q6_K';
  }
  if (category === 'embedding') {
    if (is('IQ2_XXS', 'IQ2_XS', 'IQ1_S', 'IQ1_M')) return 'Q2_K';
    if (is('IQ2_S', 'IQ2_M', 'IQ3_XXS')) return 'IQ3_S';
    return is('TQ1_0', 'TQ2_0') ? 'Q4_K' : type.format;
  }
  if (FEW_BITS.includes(type.name)) return withFewBits(category, choice);
  if (category === 'v' || category === 'qkv') {
    const index = counters.v++;
    if (experts === 8) return 'Q8_0';
    const format = ofValues(type.name, type.format, index, choice);
    // the 70B models share values among 8 heads, so more bits cost little
    const isSeventy = layers === 80 && queryGroups > 1 && ['llama', 'qwen2', 'deci'].includes(architecture);
    return isSeventy && ['Q3_K', 'Q4_K'].includes(format) ? 'Q5_K' : format;
  }
  if (category === 'k' && experts === 8) return 'Q8_0';
  if (category === 'k' || category === 'q') return is('IQ3_XS') ? 'IQ3_XXS' : is('IQ3_XXS') ? 'IQ2_S' : type.format;
  if (category === 'down') {
    const index = counters.down++;
    return ofDown(type, experts > 1 ? layerOf(name) : index, layers, isFalcon, hasImportance, experts);
  }
  if (category === 'attention output') {
    if (isFalcon) return is('Q3_K_L') ? 'Q4_K' : type.format;
    if (experts === 8) {
      const raised =
        is('Q2_K', 'Q3_K_S', 'Q3_K_M', 'IQ4_NL', 'Q4_K_S', 'Q4_K_M', 'IQ4_XS') ||
        is('IQ3_XS', 'IQ3_XXS', 'IQ3_S', 'IQ3_M');
      return raised ? 'Q5_K' : type.format;
    }
    if (is('Q2_K')) return 'Q3_K';
    if (is('IQ3_XXS')) return 'IQ3_S';
    if (is('Q3_K_M', 'IQ3_M')) return 'Q4_K';
    return is('Q3_K_L') ? 'Q5_K' : type.format;
  }
  const isMiddle = layerOf(name) >= Math.floor(layers / 8) && layerOf(name) < Math.floor((7 * layers) / 8);
  if ((category === 'gate' || category === 'up') && is('IQ3_XS') && isMiddle) return 'IQ3_XXS';
  return type.format;
}

/** Types below 3 bits with codebooks, which have rules of their own. */
const FEW_BITS: readonly string[] = ['IQ2_M', 'IQ2_S', 'IQ2_XS', 'IQ2_XXS', 'IQ1_M', 'IQ1_S'];

function withFewBits(category: Category, { type, layers, queryGroups, experts, counters }: Choice): string {
  const isLarger = type.name === 'IQ2_S' || type.name === 'IQ2_M';
  switch (category) {
    case 'v':
    case 'qkv':
      counters.v++;
      if (queryGroups >= 4 || experts >= 4) return 'Q4_K';
      return isLarger ? 'IQ3_S' : 'Q2_K';
    case 'k':
      return experts === 8 ? 'Q4_K' : type.format;
    case 'down':
      if (counters.down++ >= Math.floor(layers / 8)) return type.format;
      return isLarger ? 'IQ3_S' : 'Q2_K';
    case 'attention output':
      if (experts === 8) return 'Q5_K';
      if (isLarger) return 'IQ3_S';
      return type.name.startsWith('IQ1') ? 'IQ2_XXS' : type.format;
    default:
      return type.format;
  }
}

/** The first and last eighth of the layers, and every third of the others. */
function getsMoreBits(index: number, count: number): boolean {
  const eighth = Math.floor(count / 8);
  return index < eighth || index >= Math.floor((7 * count) / 8) || (index - eighth) % 3 === 2;
}

function ofValues(type: string, format: string, index: number, { queryGroups, vCount, hasImportance }: Choice): string {
  if (type === 'IQ3_XXS') return queryGroups >= 4 ? 'Q4_K' : hasImportance ? 'IQ3_XXS' : 'IQ3_S';
  if ((type === 'IQ3_XS' || type === 'IQ3_S') && queryGroups >= 4) return 'Q4_K';
  if (type === 'IQ3_M') return 'Q4_K';
  if (type === 'Q2_K') return queryGroups >= 4 ? 'Q4_K' : 'Q3_K';
  if (type === 'Q2_K_S' && queryGroups >= 4) return 'Q4_K';
  if (type === 'Q3_K_M') return index < 2 ? 'Q5_K' : 'Q4_K';
  if (type === 'Q3_K_L') return 'Q5_K';
  if ((type === 'IQ4_NL' || type === 'IQ4_XS') && queryGroups >= 4) return 'Q5_K';
  if ((type === 'Q4_K_M' || type === 'Q5_K_M') && getsMoreBits(index, vCount)) return 'Q6_K';
  return type === 'Q4_K_S' && index < 4 ? 'Q5_K' : format;
}

function ofDown(
  { name, format }: FileType,
  layer: number,
  layers: number,
  isFalcon: boolean,
  hasImportance: boolean,
  experts: number,
): string {
  const isFirst = layer < Math.floor(layers / 8);
  switch (name) {
    case 'Q2_K':
      return 'Q3_K';
    case 'Q2_K_S':
      return isFirst ? 'Q4_K' : format;
    case 'Q3_K_M':
      if (layer < Math.floor(layers / 16)) return 'Q5_K';
      return !isFalcon || getsMoreBits(layer, layers) ? 'Q4_K' : 'Q3_K';
    case 'Q3_K_L':
      return isFalcon ? 'Q4_K' : 'Q5_K';
    case 'Q4_K_M':
      if (!isFalcon) return getsMoreBits(layer, layers) ? 'Q6_K' : format;
      if (layer < Math.floor(layers / 16)) return 'Q6_K';
      return getsMoreBits(layer, layers) ? 'Q5_K' : 'Q4_K';
    case 'Q5_K_M':
      return getsMoreBits(layer, layers) ? 'Q6_K' : format;
    case 'Q4_K_S':
      return isFirst && !isFalcon ? 'Q5_K' : format;
    case 'IQ3_XXS':
      if (hasImportance) return format;
      return isFirst ? 'Q4_K' : 'Q3_K';
    case 'IQ3_M':
      return isFirst || (experts === 8 && getsMoreBits(layer, layers)) ? 'Q4_K' : format;
    case 'IQ4_NL':
    case 'IQ4_XS':
      return isFirst && !hasImportance ? 'Q5_K' : format;
    case 'Q4_0':
      return isFirst && hasImportance ? 'Q4_1' : format;
    case 'Q5_0':
      return isFirst && hasImportance ? 'Q5_1' : format;
    default:
      return format;
  }
}
