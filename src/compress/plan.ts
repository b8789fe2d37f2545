/** The plan of a quantization: each tensor's format, and the stage that quantizes it. */
import { OptionError } from '../core/errors.ts';
import type { Checkpoint, CheckpointTensor } from '../formats/checkpoint.ts';
import { type BlockFormat, bytesOf } from '../tensor/blockFormat.ts';
import { blockFormats, formatByName } from '../tensor/formats.ts';
import type { Calibration } from './calibration.ts';
import { fileTypeByName } from './fileTypes.ts';
import { zeroCode } from './matrix/gridBlocks.ts';
import { isQuantizable, mixture, namedFormat } from './mixture.ts';
import type { QuantizeOptions } from './quantize.ts';

/** A tensor and what becomes of it. */
export interface Planned {
  readonly tensor: CheckpointTensor;
  readonly format: BlockFormat;
  /** Index of the stage that quantizes it. */
  readonly stage: number;
  /** True for a matrix in Q4_0 that gets a low plane, too (nested bits). */
  readonly hasLowPlane?: boolean;
  /** True for a pruned matrix whose weights that are 0 stay 0. */
  readonly keepsZeros?: boolean;
}

/** The formats of llama.cpp's mixture for a type, by tensor name. */
export function formatsOf(checkpoint: Checkpoint, type: string, options: QuantizeOptions): Map<string, BlockFormat> {
  const tensors = [...checkpoint.tensors.values()];
  const architecture = String(checkpoint.metadata.get('general.architecture'));
  const count = (key: string, otherwise: number) => {
    const value = checkpoint.metadata.get(`${architecture}.${key}`);
    return typeof value === 'number' ? value : otherwise;
  };
  const heads = count('attention.head_count', 1);
  return mixture(tensors, {
    type: fileTypeByName(type),
    architecture,
    layers: count('block_count', 0),
    queryGroups: Math.max(1, Math.floor(heads / count('attention.head_count_kv', heads))),
    experts: count('expert_count', 0),
    hasImportance: options.calibration !== undefined || options.imatrix !== undefined,
    ...namingOf(options),
    pure: options.pure,
  });
}

/** The options that name formats of tensors. */
function namingOf({ tensorTypes, outputTensorType, tokenEmbeddingType }: QuantizeOptions) {
  const format = (name: string | undefined) => (name === undefined ? undefined : formatByName(name.toUpperCase()));
  return {
    tensorTypes: tensorTypes?.map(([pattern, name]) => [patternOf(pattern), formatByName(name.toUpperCase())] as const),
    outputTensorType: format(outputTensorType),
    tokenEmbeddingType: format(tokenEmbeddingType),
  };
}

/** Formats of the matrices that the options name, by tensor name. */
export function namedFormats({ tensors }: Checkpoint, options: QuantizeOptions): Map<string, BlockFormat> {
  const naming = { ...namingOf(options), isTied: !tensors.has('output.weight') };
  const named = new Map<string, BlockFormat>();
  for (const tensor of tensors.values()) {
    const format = isQuantizable(tensor) ? namedFormat(tensor, naming) : undefined;
    if (format) named.set(tensor.name, format);
  }
  return named;
}

/**
 * Changes a plan to nested bits: matrices of few bits are in Q4_0 with a low plane. Those that a mixture gives more bits, and those that are
 * no plain products (embeddings, experts), are in Q8_0 in both readings.
 * @param products names of the matrices that a low plane can refine
 */
export function withLowPlanes(plan: readonly Planned[], products: ReadonlySet<string>): Planned[] {
  const [Q4_0, Q8_0] = ['Q4_0', 'Q8_0'].map(formatByName) as [BlockFormat, BlockFormat];
  return plan.map((planned) => {
    const { tensor, format } = planned;
    const bits = (8 * format.blockBytes) / format.blockSize;
    const isQuantized = tensor.format !== format && format.blockSize > 1;
    if (!isQuantized || tensor.shape.at(-1)! % Q4_0.blockSize !== 0) return planned;
    const hasLowPlane = bits < MANY_BITS && products.has(tensor.name);
    return hasLowPlane ? { ...planned, format: Q4_0, hasLowPlane } : { ...planned, format: Q8_0 };
  });
}

/** Bits per weight from which on a matrix is in Q8_0 in a file with nested bits. */
const MANY_BITS = 6;

/**
 * @param formats format of each tensor, by name
 * @returns tensors in the order in which they are quantized and written: stage by stage
 */
export function planOf(
  checkpoint: Checkpoint,
  formats: ReadonlyMap<string, BlockFormat>,
  options: Pick<QuantizeOptions, 'allowRequantize' | 'keepZeros'>,
  calibration: Calibration | undefined,
): Planned[] {
  const tensors = [...checkpoint.tensors.values()];
  refuseRequantizing(checkpoint, formats, options);
  if (options.keepZeros) refuseFormatsWithoutZero(checkpoint, formats);
  const stageOf = new Map(
    calibration?.stages.flatMap(({ products }, stage) =>
      products.map(({ weight }) => [weight.attributes.tensor, stage]),
    ),
  );
  const last = calibration ? calibration.stages.length - 1 : 0;
  const otherStage = (name: string): number => {
    const block = /^blk\.(\d+)\./.exec(name)?.[1];
    return Math.min(last, block === undefined ? 0 : Number(block) + 1);
  };
  return tensors
    .map((tensor) => ({
      tensor,
      format: formats.get(tensor.name)!,
      stage: stageOf.get(tensor.name) ?? otherStage(tensor.name),
      ...(options.keepZeros && isPrunable(tensor) && { keepsZeros: true }),
    }))
    .sort((a, b) => a.stage - b.stage);
}

function patternOf(pattern: string): RegExp {
  try {
    return new RegExp(pattern);
  } catch {
    throw new OptionError('tensorTypes', pattern, 'a valid regular expression');
  }
}

export function refuseRequantizing(
  { name, tensors }: Checkpoint,
  formats: ReadonlyMap<string, BlockFormat>,
  { allowRequantize }: Pick<QuantizeOptions, 'allowRequantize'>,
): void {
  if (allowRequantize) return;
  for (const tensor of tensors.values()) {
    const isPlain = ['F32', 'F16', 'BF16'].includes(tensor.format.name);
    if (isPlain || formats.get(tensor.name) === tensor.format) continue;
    const advice =
      'quantizing it again loses more than quantizing the original; allow it with --allow-requantize (allowRequantize)';
    throw new OptionError(`${name}: tensor ${tensor.name}`, tensor.format.name, `F32, F16 or BF16: ${advice}`);
  }
}

/** True for the matrices that pruning sets zeros in. */
const isPrunable = (tensor: CheckpointTensor): boolean => tensor.name.startsWith('blk.') && isQuantizable(tensor);

const hasZero = ({ grid, blockSize }: BlockFormat): boolean => (grid ? zeroCode(grid) !== undefined : blockSize === 1);

/** @throws {OptionError} if a pruned matrix would be in a format that cannot keep its zeros */
function refuseFormatsWithoutZero({ tensors }: Checkpoint, formats: ReadonlyMap<string, BlockFormat>): void {
  const withZero = blockFormats
    .filter(hasZero)
    .map(({ name }) => name)
    .join(', ');
  for (const tensor of tensors.values()) {
    const format = formats.get(tensor.name)!;
    if (!isPrunable(tensor) || hasZero(format)) continue;
    const expected = `false, or one of these formats for ${tensor.name}, because ${format.name} cannot keep zeros: ${withZero}`;
    throw new OptionError('keepZeros', true, expected);
  }
}

export const elementsOf = ({ byteLength, format }: CheckpointTensor): number =>
  (byteLength / format.blockBytes) * format.blockSize;

/** Bytes of a low plane of nested bits. */
const lowBytesOf = (planned: Planned): number => (planned.hasLowPlane ? elementsOf(planned.tensor) / 2 : 0);

export const bytesAfter = (planned: Planned): number =>
  bytesOf(planned.format, elementsOf(planned.tensor)) + lowBytesOf(planned);
