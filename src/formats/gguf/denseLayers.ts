/** Reads the dense layers after pooling that GGUF files of embedders store as tensors. */
import { FormatError } from '../../core/errors.ts';
import type { Checkpoint, CheckpointTensor } from '../checkpoint.ts';
import type { DenseLayer, DenseShape } from '../embeddingSettings.ts';
import { tensorValues } from '../tensorValues.ts';

/** Names of the layers, in the order in which they are applied. */
const NAMES = ['dense_2', 'dense_3'] as const;

interface Found extends DenseShape {
  readonly matrix: CheckpointTensor;
  readonly vector?: CheckpointTensor;
}

/** @returns none for a folder, whose dense layers are modules @throws {FormatError} for one that is no matrix */
function denseShapesFromGguf({ kind, name: file, tensors }: Checkpoint): Found[] {
  const layers: Found[] = [];
  if (kind !== 'gguf') return layers;
  for (const name of NAMES) {
    const matrix = tensors.get(`${name}.weight`);
    if (!matrix) continue;
    if (matrix.shape.length !== 2)
      throw new FormatError(file, `tensor ${matrix.name} has ${matrix.shape.length} dimensions, expected 2`, {
        tensor: matrix.name,
        expected: 2,
        found: matrix.shape.length,
      });
    const [outputs, inputs] = matrix.shape as readonly [number, number];
    const vector = tensors.get(`${name}.bias`);
    const bias = vector?.shape.reduce((product, size) => product * size, 1);
    layers.push({ name, inputs, outputs, matrix, ...(vector && { vector, bias }) });
  }
  return layers;
}

/** Shapes of a model's dense layers: tensors of a GGUF file, modules of a folder. */
export function denseShapes(checkpoint: Checkpoint): DenseShape[] {
  if (checkpoint.kind === 'gguf') return denseShapesFromGguf(checkpoint);
  return (checkpoint.embedding?.dense ?? []).map(({ inputs, outputs, bias }, index) => ({
    name: `${index + 1}`,
    inputs,
    outputs,
    ...(bias && { bias: bias.length }),
  }));
}

/** Reads the weights of the layers. */
export async function denseLayersFromGguf(checkpoint: Checkpoint, signal?: AbortSignal): Promise<DenseLayer[]> {
  const layers: DenseLayer[] = [];
  for (const { inputs, outputs, matrix, vector } of denseShapesFromGguf(checkpoint)) {
    layers.push({
      inputs,
      outputs,
      weight: await tensorValues(matrix, signal),
      ...(vector ? { bias: await tensorValues(vector, signal) } : {}),
      activation: 'identity',
    });
  }
  return layers;
}
