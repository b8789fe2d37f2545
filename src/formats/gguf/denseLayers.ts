/** Reads the dense layers after pooling that GGUF files of embedders store as tensors. */
import { FormatError } from '../../core/errors.ts';
import type { Checkpoint } from '../checkpoint.ts';
import type { DenseLayer } from '../embeddingSettings.ts';
import { tensorValues } from '../tensorValues.ts';

/** Names of the layers, in the order in which they are applied. */
const NAMES = ['dense_2', 'dense_3'] as const;

/** @returns none for a folder, whose dense layers are modules @throws {FormatError} for one that is no matrix */
export async function denseLayersFromGguf(
  { kind, name: file, tensors }: Checkpoint,
  signal?: AbortSignal,
): Promise<DenseLayer[]> {
  const layers: DenseLayer[] = [];
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
    const bias = tensors.get(`${name}.bias`);
    layers.push({
      weight: await tensorValues(matrix, signal),
      ...(bias ? { bias: await tensorValues(bias, signal) } : {}),
      activation: 'identity',
    });
  }
  return layers;
}
