/** The plan of a quantization: each tensor's format, and the stage that quantizes it. */
import { OptionError } from '../core/errors.ts';
import type { Checkpoint, CheckpointTensor } from '../formats/checkpoint.ts';
import { type BlockFormat, bytesOf } from '../tensor/blockFormat.ts';
import { formatByName } from '../tensor/formats.ts';
import type { Calibration } from './calibration.ts';
import { fileTypeByName } from './fileTypes.ts';
import { mixture } from './mixture.ts';
import type { QuantizeOptions } from './quantize.ts';

/** A tensor and what becomes of it. */
export interface Planned {
  readonly tensor: CheckpointTensor;
  readonly format: BlockFormat;
  /** Index of the stage that quantizes it. */
  readonly stage: number;
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
  const format = (name: string | undefined) => (name === undefined ? undefined : formatByName(name.toUpperCase()));
  return mixture(tensors, {
    type: fileTypeByName(type),
    architecture,
    layers: count('block_count', 0),
    queryGroups: Math.max(1, Math.floor(heads / count('attention.head_count_kv', heads))),
    experts: count('expert_count', 0),
    hasImportance: options.calibration !== undefined || options.imatrix !== undefined,
    tensorTypes: options.tensorTypes?.map(([pattern, name]) => [patternOf(pattern), formatByName(name.toUpperCase())]),
    outputTensorType: format(options.outputTensorType),
    tokenEmbeddingType: format(options.tokenEmbeddingType),
    pure: options.pure,
  });
}

/**
 * @param formats format of each tensor, by name
 * @returns tensors in the order in which they are quantized and written: stage by stage
 */
export function planOf(
  checkpoint: Checkpoint,
  formats: ReadonlyMap<string, BlockFormat>,
  options: Pick<QuantizeOptions, 'allowRequantize'>,
  calibration: Calibration | undefined,
): Planned[] {
  const tensors = [...checkpoint.tensors.values()];
  refuseRequantizing(checkpoint, formats, options);
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

function refuseRequantizing(
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

export const elementsOf = ({ byteLength, format }: CheckpointTensor): number =>
  (byteLength / format.blockBytes) * format.blockSize;

export const bytesAfter = ({ tensor, format }: Planned): number => bytesOf(format, elementsOf(tensor));
