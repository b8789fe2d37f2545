/**
 * Plans a stage without running it: the resulting model, and rough estimates of time and memory. The planned model has names, shapes and
 * formats but no values; later stages are planned from it.
 */
import { OptionError } from '../../core/errors.ts';
import type { Checkpoint, CheckpointTensor } from '../../formats/checkpoint.ts';
import { lent, tensorBytes } from '../../formats/checkpoint.ts';
import { buildModel } from '../../models/buildModel.ts';
import { dequantized } from '../../models/dequantized.ts';
import { type BlockFormat, bytesOf } from '../../tensor/blockFormat.ts';
import { formatByName } from '../../tensor/formats.ts';
import { type CalibrationOptions, prepareCalibration } from '../calibration.ts';
import type { DecodePrediction } from '../decodeCosts.ts';
import { memoryOf, secondsOf, secondsOfProducts } from '../estimate.ts';
import { keptFormat } from '../mixture.ts';
import { elementsOf, planOf } from '../plan.ts';
import { withCutVocabulary } from '../prune/cutVocabulary.ts';
import { blockCount, refuseWrongLayers, without, withoutBlocks } from '../prune/dropLayers.ts';
import { narrowSizes } from '../prune/narrowSizes.ts';
import { pruningOf, refuseQuantized } from '../prune/prune.ts';
import { type QuantizeOptions, quantize } from '../quantize.ts';
import { refuseRotation } from '../rotate.ts';
import { enoughWindows } from '../statistic.ts';
import { BATCH, tuningWindows } from '../tune/tune.ts';
import type { ShapeStage } from './schema.ts';

export interface StagePlan {
  /** Bytes of the model's tensors behind the stage. */
  readonly bytes: number;
  /** Rough estimates. */
  readonly memoryBytes: number;
  readonly seconds: number;
  /** Bits per weight of the file that the stage writes. Only stages `quantize` have it. */
  readonly bitsPerWeight?: number;
  /** Predicted cost of a token, where a stage `quantize` has a limit on it. */
  readonly decode?: DecodePrediction;
}

/** Forward passes that cost as much as an update: one of the teacher; forward, recomputed and twice backward of the student. */
const PASSES = 5;
/** Bytes of F32 that are rotated in a second. */
const ROTATED_BYTES = 100e6;
/** Bytes that are copied in a second. */
const COPIED_BYTES = 500e6;
/** Bytes per parameter that training needs: weight, gradient, moments and the teacher's weight in F32. */
const TRAINING_BYTES = 20;

/** Options of the device's meter. */
export type PlanOptions = Pick<QuantizeOptions, 'meter' | 'threads' | 'signal' | 'onProgress'>;

/** @param keepZeros true if the model was pruned @throws {OptionError} and the errors that the stage itself has for this model */
export async function planStage(
  stage: ShapeStage,
  from: Checkpoint,
  calibration: CalibrationOptions | undefined,
  keepZeros: boolean,
  options: PlanOptions = {},
): Promise<{ readonly plan: StagePlan; readonly to: Checkpoint }> {
  refuseMissingText(stage, calibration);
  if ('quantize' in stage) return planQuantizing({ keepZeros, ...stage.quantize }, from, calibration, options);
  if ('tune' in stage) {
    const { size } = tuningWindows(from, calibration!);
    return { plan: planTraining(from, from, stage.tune.steps * BATCH * size), to: from };
  }
  if ('rotate' in stage) {
    refuseRotation(from);
    const to = withFormats(from, () => formatByName('F32'));
    const bytes = tensorBytes(to);
    const largest = Math.max(...[...to.tensors.values()].map(({ byteLength }) => byteLength));
    return { plan: { bytes, memoryBytes: 3 * largest, seconds: bytes / ROTATED_BYTES }, to };
  }
  if ('distill' in stage) {
    const { steps, batch, sequence } = stage.distill;
    const to = withFormats(from, (tensor) => (tensor.shape.length > 1 ? formatByName('F32') : tensor.format));
    return { plan: planTraining(from, to, steps * batch * sequence), to };
  }
  if ('cutVocabulary' in stage) {
    const to = withCutVocabulary(from, calibration!.text).result;
    const bytes = tensorBytes(to);
    const largest = Math.max(...[...from.tensors.values()].map(({ byteLength }) => byteLength));
    return { plan: { bytes, memoryBytes: 2 * largest, seconds: bytes / COPIED_BYTES }, to };
  }
  const to = prunedModel(stage, from, calibration);
  const all = calibration && choosesByText(stage) ? await prepareCalibration(from, calibration) : undefined;
  const prepared = all && 'narrow' in stage ? enoughWindows(all) : all;
  const formats = new Map([...from.tensors.values()].map((tensor) => [tensor.name, keptFormat(tensor)]));
  const planned = planOf(from, formats, { allowRequantize: true }, prepared);
  const [memoryBytes, seconds] = [memoryOf(planned, prepared), secondsOf(planned, prepared)];
  return { plan: { bytes: tensorBytes(to), memoryBytes, seconds }, to };
}

/** @throws {OptionError} */
function refuseMissingText(stage: ShapeStage, calibration: CalibrationOptions | undefined): void {
  const [name] = Object.keys(stage);
  if (calibration || !['narrow', 'cutVocabulary', 'distill', 'tune'].includes(name)) return;
  throw new OptionError('calibration', 'missing', `a text, which the stage ${name} needs`);
}

type QuantizeStage = Extract<ShapeStage, { quantize: unknown }>['quantize'];

async function planQuantizing(
  { calibrate, tensorTypes, ...options }: QuantizeStage,
  from: Checkpoint,
  calibration: CalibrationOptions | undefined,
  common: PlanOptions,
): Promise<{ readonly plan: StagePlan; readonly to: Checkpoint }> {
  const result = await quantize(lent(from), '', {
    ...{ ...common, ...options, dryRun: true },
    tensorTypes: tensorTypes && Object.entries(tensorTypes),
    ...(calibrate && calibration && { calibration }),
  });
  const formats = new Map(result.tensors.map(({ name, format }) => [name, formatByName(format)]));
  const { bytes, memoryBytes, seconds, bitsPerWeight, decode } = result;
  return {
    plan: { bytes, memoryBytes, seconds, bitsPerWeight, ...(decode && { decode }) },
    to: withFormats(from, ({ name, format }) => formats.get(name) ?? format),
  };
}

function planTraining(from: Checkpoint, to: Checkpoint, tokens: number): StagePlan {
  const { graph } = buildModel(dequantized(from));
  const sequence = Math.min(tokens, 256);
  const { flops } = graph.cost({ T: sequence, P: 0, R: sequence, S: sequence });
  const parameters = [...from.tensors.values()].reduce((sum, tensor) => sum + elementsOf(tensor), 0);
  const seconds = secondsOfProducts((PASSES * flops * tokens) / sequence);
  return { bytes: tensorBytes(to), memoryBytes: TRAINING_BYTES * parameters, seconds };
}

function choosesByText(stage: ShapeStage): boolean {
  if ('prune' in stage) return stage.prune.method !== 'magnitude';
  return !('dropLayers' in stage && typeof stage.dropLayers.layers === 'object');
}

/**
 * The model without what a stage removes. Which blocks, neurons and heads are removed makes no difference to its sizes.
 * @throws the errors of the stage
 */
function prunedModel(stage: ShapeStage, from: Checkpoint, calibration: CalibrationOptions | undefined): Checkpoint {
  if ('narrow' in stage) {
    const sizes = narrowSizes(from, stage.narrow);
    const tensors = new Map(
      [...from.tensors].map(([name, tensor]) => [name, planned(tensor, tensor.format, sizes.shapeOf(tensor))]),
    );
    return { ...lent(from), metadata: sizes.metadata, tensors };
  }
  if ('dropLayers' in stage) {
    const { layers } = stage.dropLayers;
    const count = blockCount(from);
    refuseWrongLayers({ ...stage.dropLayers, calibration }, count);
    if (typeof layers === 'object') return withoutBlocks(from, [...new Set(layers)], count);
    // with 'auto' at least one is dropped
    const dropped = Array.from({ length: layers === 'auto' ? 1 : layers }, (_, i) => count - 1 - i);
    return { ...lent(from), ...without(from, dropped, count) };
  }
  if ('prune' in stage) {
    pruningOf({ ...stage.prune, calibration });
    refuseQuantized(from);
  }
  return withFormats(from, keptFormat);
}

function withFormats(from: Checkpoint, formatOf: (tensor: CheckpointTensor) => BlockFormat): Checkpoint {
  const tensors = new Map(
    [...from.tensors].map(([name, tensor]) => [name, planned(tensor, formatOf(tensor), tensor.shape)]),
  );
  return { ...lent(from), tensors };
}

/** A tensor of another format or shape, whose values are not known yet. */
function planned(tensor: CheckpointTensor, format: BlockFormat, shape: readonly number[]): CheckpointTensor {
  const elements = shape.reduce((product, size) => product * size, 1);
  const read = () => Promise.reject(new Error(`${tensor.name} is planned, it has no values`));
  return { name: tensor.name, format, shape, byteLength: bytesOf(format, elements), read };
}
