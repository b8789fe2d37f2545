/** Reads tensors and refuses those with NaN or infinity, which would spread over the model. */
import { EspalierError, FormatError } from '../core/errors.ts';
import type { Checkpoint, CheckpointTensor } from '../formats/checkpoint.ts';
import { readTensor } from '../formats/readTensor.ts';
import { tensorValues } from '../formats/tensorValues.ts';
import { isWeight } from '../graph/graph.ts';
import type { Stage } from './stages.ts';

type File = Pick<Checkpoint, 'name'>;

/** Reads a tensor and decodes it. @throws {FormatError} if an element is not a finite number */
export async function finiteValues({ name: file }: File, tensor: CheckpointTensor): Promise<Float32Array> {
  const values = await tensorValues(tensor);
  const wrong = firstNotFinite(values);
  if (wrong < 0) return values;
  const columns = tensor.shape.at(-1)!;
  const place = `row ${Math.floor(wrong / columns)}, column ${wrong % columns}`;
  const problem = `tensor ${tensor.name} has ${values[wrong]} in ${place}, expected finite numbers`;
  throw new FormatError(file, problem, { tensor: tensor.name, index: wrong, found: String(values[wrong]) });
}

/** Reads the bytes of a tensor, to copy it. Formats with blocks are not checked. @throws {FormatError} as `finiteValues` */
export async function finiteBytes(file: File, tensor: CheckpointTensor): Promise<Uint8Array> {
  if (tensor.format.blockSize === 1) await finiteValues(file, tensor);
  return readTensor(tensor);
}

/**
 * Explains why values inside a stage are not finite: a weight of the stage has such an element, or the model overflows on the text.
 * @param values description of the values, for the message @throws {FormatError} @throws {EspalierError} BAD_CALIBRATION
 */
export async function refuseNotFinite(checkpoint: Checkpoint, { graph }: Stage, values: string): Promise<never> {
  for (const node of graph.live()) {
    const tensor = isWeight(node) ? checkpoint.tensors.get(node.attributes.tensor) : undefined;
    if (tensor) await finiteValues(checkpoint, tensor);
  }
  const message = `${checkpoint.name}: ${values} are not finite in the calibration text`;
  throw new EspalierError('BAD_CALIBRATION', message, { values });
}

/** Index of the first element that is NaN or infinite; -1: none. */
function firstNotFinite(values: Float32Array): number {
  // the difference is NaN for infinity and NaN
  for (let i = 0; i < values.length; i++) if (values[i] - values[i] !== 0) return i;
  return -1;
}

export const isFiniteArray = (values: Float32Array): boolean => firstNotFinite(values) < 0;
