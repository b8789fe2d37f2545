/**
 * Removes whole blocks of a model. Unless they are named, those go that change the residual stream least: the mean of
 * 1 − cos(input, output) over the tokens of a calibration text (ShortGPT: Men et al. 2024). Their number is given, or as large as the
 * divergence on held-out text allows. The result is a smaller dense model in the source's formats.
 */
import { OptionError, UnsupportedError } from '../../core/errors.ts';
import type { OnProgress } from '../../core/progress.ts';
import { type Checkpoint, type CheckpointTensor, lent, tensorBytes } from '../../formats/checkpoint.ts';
import type { GgufValue } from '../../formats/gguf/write.ts';
import { type CheckpointSource, openCheckpoint } from '../../formats/open.ts';
import type { Graph, Value } from '../../graph/graph.ts';
import { buildModel } from '../../models/buildModel.ts';
import { inGgufTerms } from '../../models/inGgufTerms.ts';
import { type CalibrationOptions, prepareCalibration } from '../calibration.ts';
import { finiteBytes, isFiniteArray, refuseNotFinite } from '../finiteValues.ts';
import { type Activations, StageRun } from '../statistic.ts';
import { writeFile } from '../writeFile.ts';
import { byInfluence, dropsWithin, type TriedDrop } from './dropAuto.ts';

/** With 'auto': share of the text that measures the divergence, and the limit. */
const HELD_OUT = 1 / 8;
const MAX_DIVERGENCE = 0.1;

export interface DropLayersOptions {
  /**
   * Number of blocks to remove, chosen by the calibration text, or the indices of the blocks. 'auto': as many as `maxDivergence` allows;
   * the last eighth of the text is held out to measure it, and three models are in memory then.
   */
  readonly layers: number | 'auto' | readonly number[];
  /** With 'auto': maximum KL divergence from the whole model, in nats per token. Default: 0.1. */
  readonly maxDivergence?: number;
  readonly calibration?: CalibrationOptions;
  readonly threads?: number;
  readonly backend?: string;
  readonly signal?: AbortSignal;
  /** Progress with stage 'influence', a piece per block; with 'auto' 'drop', too. */
  readonly onProgress?: OnProgress;
}

export interface DropLayersResult {
  /** Indices of the blocks that were removed, ascending. */
  readonly dropped: readonly number[];
  /** Influence of each block on the residual stream, if it was measured. */
  readonly influence?: readonly number[];
  /** With 'auto': the divergence, and what was tried. */
  readonly divergence?: number;
  readonly tried?: readonly TriedDrop[];
  readonly bytes: number;
}

/**
 * @param output path of the GGUF file
 * @throws {UnsupportedError} if the remaining blocks would compute something else, as where every sixth block has full attention
 * @throws {OptionError} and the errors of `quantize`
 */
export async function dropLayers(
  source: CheckpointSource,
  output: string,
  options: DropLayersOptions,
): Promise<DropLayersResult> {
  if (source === output) throw new OptionError('the output', output, 'another file than the source');
  const opened = await openCheckpoint(source, options);
  try {
    const checkpoint = inGgufTerms(opened);
    const count = blockCount(checkpoint);
    const { dropped, ...facts } = await chosenBlocks(checkpoint, count, options);
    const result = withoutBlocks(checkpoint, dropped, count);
    const tensors = [...result.tensors].map(([name, tensor]) => {
      const { shape, format } = tensor;
      return { name, shape, format, data: () => finiteBytes(checkpoint, tensor) };
    });
    await writeFile(output, { metadata: [...result.metadata] as [string, GgufValue][], tensors }, options);
    await opened.finish?.(options.signal);
    return { dropped, ...facts, bytes: tensorBytes(result) };
  } finally {
    await opened.close();
  }
}

const keyOf = ({ metadata }: Checkpoint, key: string): string =>
  `${String(metadata.get('general.architecture'))}.${key}`;

/** Number of a model's blocks. */
export function blockCount(checkpoint: Checkpoint): number {
  return Number(checkpoint.metadata.get(keyOf(checkpoint, 'block_count')) ?? 0);
}

/** The model without some blocks. @throws {OptionError} @throws {UnsupportedError} if a kept block computes something else */
export function withoutBlocks(checkpoint: Checkpoint, dropped: readonly number[], count: number): Checkpoint {
  const wrong = dropped.find((layer) => !(Number.isInteger(layer) && layer >= 0 && layer < count));
  if (wrong !== undefined) throw new OptionError('layers', wrong, `indices from 0 to ${count - 1}`);
  if (dropped.length === 0 || dropped.length >= count)
    throw new OptionError('layers', dropped.length, `1 to ${count - 1} of the ${count} blocks`);
  const result = { ...lent(checkpoint), ...without(checkpoint, dropped, count) };
  refuseOtherBlocks(checkpoint, result, dropped, count);
  return result;
}

/** @throws {OptionError} if the options do not fit a model of `count` blocks */
export function refuseWrongLayers({ layers, maxDivergence, calibration }: DropLayersOptions, count: number): void {
  const isAuto = layers === 'auto';
  if (maxDivergence !== undefined && !(isAuto && maxDivergence > 0))
    throw new OptionError('maxDivergence', maxDivergence, isAuto ? 'a number above 0' : "layers to be 'auto'");
  if (typeof layers === 'object') return;
  if (!isAuto && !(Number.isInteger(layers) && layers >= 1 && layers < count))
    throw new OptionError('layers', layers, `1 to ${count - 1} of the ${count} blocks, or 'auto'`);
  if (!calibration)
    throw new OptionError('calibration', 'missing', 'a text, by which the blocks are chosen; or name the blocks');
}

async function chosenBlocks(
  checkpoint: Checkpoint,
  count: number,
  options: DropLayersOptions,
): Promise<Omit<DropLayersResult, 'bytes'>> {
  const { layers, maxDivergence } = options;
  refuseWrongLayers(options, count);
  if (typeof layers === 'object') return { dropped: [...new Set(layers)].sort((a, b) => a - b) };
  const calibration = options.calibration!;
  if (layers !== 'auto') {
    const influence = await influenceOf(checkpoint, count, calibration, options);
    return { dropped: leastOf(influence, layers), influence };
  }
  const { text, window } = calibration;
  const end = Math.floor((1 - HELD_OUT) * text.length);
  const influence = await influenceOf(checkpoint, count, { ...calibration, text: text.slice(0, end) }, options);
  const found = await dropsWithin(checkpoint, {
    ...{ influence, text: text.slice(end), maxDivergence: maxDivergence ?? MAX_DIVERGENCE },
    context: window && Math.min(window, buildModel(checkpoint).trainedContext),
    ...{ threads: options.threads, signal: options.signal, onProgress: options.onProgress },
    without: (dropped) => withoutBlocks(checkpoint, dropped, count),
  });
  return { ...found, influence };
}

async function influenceOf(
  checkpoint: Checkpoint,
  count: number,
  text: CalibrationOptions,
  { threads, backend, signal, onProgress }: DropLayersOptions,
): Promise<number[]> {
  const { windows, stages, weights } = await prepareCalibration(checkpoint, text);
  const activations: Activations = new Map();
  const influence: number[] = [];
  for (const [index, stage] of stages.slice(0, count + 1).entries()) {
    const run = await StageRun.compile(stage, 'squares', () => false, { weights, windows, threads, backend, signal });
    try {
      const names = [...stage.inputs.keys()];
      await run.measureSquares(activations);
      const result = activations.get([...stage.outputs.keys()][0])!;
      if (!isFiniteArray(result)) await refuseNotFinite(checkpoint, stage, `the outputs of ${partName(index)}`);
      if (index > 0) influence.push(distance(activations.get(names[0])!, result, windows.tokens.length));
      for (const name of names)
        if (!stages.slice(index + 1).some(({ inputs }) => inputs.has(name))) activations.delete(name);
    } finally {
      run.dispose();
    }
    onProgress?.({ stage: 'influence', done: index, total: count, unit: 'pieces' });
  }
  return influence;
}

const partName = (stage: number): string => (stage === 0 ? 'the embedding' : `block ${stage - 1}`);

/** Mean of 1 − cos between the rows of two matrices. */
function distance(a: Float32Array, b: Float32Array, rows: number): number {
  const width = a.length / rows;
  let sum = 0;
  for (let row = 0; row < rows; row++) {
    let [ab, aa, bb] = [0, 0, 0];
    for (let i = row * width; i < (row + 1) * width; i++) {
      ab += a[i] * b[i];
      aa += a[i] ** 2;
      bb += b[i] ** 2;
    }
    sum += aa > 0 && bb > 0 ? 1 - ab / Math.sqrt(aa * bb) : 1;
  }
  return sum / rows;
}

function leastOf(influence: readonly number[], count: number): number[] {
  return byInfluence(influence)
    .slice(0, count)
    .sort((a, b) => a - b);
}

/** The checkpoint without some blocks. Lists with one entry per block lose those of the blocks. */
export function without(checkpoint: Checkpoint, dropped: readonly number[], count: number): Checkpoint {
  const kept = Array.from({ length: count }, (_, layer) => layer).filter((layer) => !dropped.includes(layer));
  const tensors = new Map<string, CheckpointTensor>();
  for (const [name, tensor] of checkpoint.tensors) {
    const [, layer, rest] = /^blk\.(\d+)\.(.*)$/.exec(name) ?? [];
    const index = layer === undefined ? -1 : kept.indexOf(Number(layer));
    if (layer === undefined) tensors.set(name, tensor);
    else if (index >= 0) tensors.set(`blk.${index}.${rest}`, tensor);
  }
  const metadata = new Map<string, unknown>();
  const perBlock = new RegExp(`^${String(checkpoint.metadata.get('general.architecture'))}\\.`);
  for (const [key, value] of checkpoint.metadata) {
    if (key.startsWith('split.')) continue;
    const isList = (Array.isArray(value) || ArrayBuffer.isView(value)) && perBlock.test(key);
    const list = isList ? Array.from(value as ArrayLike<unknown>) : undefined;
    metadata.set(key, list?.length === count ? kept.map((layer) => list[layer]) : value);
  }
  metadata.set(keyOf(checkpoint, 'block_count'), kept.length);
  const { name, kind, byteLength } = checkpoint;
  return { name, kind, metadata, tensors, byteLength, close: () => checkpoint.close() };
}

/** @throws {UnsupportedError} if a kept block computes something else at its new place */
export function refuseOtherBlocks(
  before: Checkpoint,
  after: Checkpoint,
  dropped: readonly number[],
  count: number,
): void {
  const [own, other] = [before, after].map((checkpoint) => blocksOf(buildModel(checkpoint).graph)) as [
    string[][],
    string[][],
  ];
  const kept = Array.from({ length: count }, (_, layer) => layer).filter((layer) => !dropped.includes(layer));
  for (const [index, layer] of kept.entries())
    if (JSON.stringify(own[layer]) !== JSON.stringify(other[index]))
      throw new UnsupportedError(
        `${before.name}: dropping blocks ${dropped.join(', ')}, after which another part falls to block`,
        String(layer),
      );
}

/** The computation of each block, without the names of its tensors. */
function blocksOf(graph: Graph): string[][] {
  const blocks: string[][] = [];
  for (const node of graph.live()) {
    const layer = /^blk\.(\d+)\./.exec(node.label)?.[1];
    if (layer !== undefined) (blocks[Number(layer)] ??= []).push(described(node));
  }
  return blocks;
}

function described({ op, shape, attributes }: Value): string {
  const comparable = (key: string, value: unknown): unknown =>
    ['layer', 'tensor', 'format'].includes(key) ? undefined : value;
  return `${op.name} ${shape.join(' ')} ${JSON.stringify(attributes, comparable)}`;
}
