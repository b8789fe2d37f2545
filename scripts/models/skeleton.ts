/** A tiny model without its weights: metadata and shapes. The weights are random numbers of a seed, so goldens need not store them. */
import { ggufBytes, type TypedGgufValue } from '../../src/formats/gguf/write.ts';
import { safetensorsBytes } from '../../src/formats/safetensors/write.ts';
import type { TensorToWrite } from '../../src/formats/tensorToWrite.ts';
import { formatByName } from '../../src/tensor/formats.ts';
import { type TensorPlan, valuesOf } from './weights.ts';

export type Shapes = Readonly<Record<string, readonly number[]>>;

export interface GgufSkeleton {
  readonly kind: 'gguf';
  readonly name: string;
  readonly seed: number;
  readonly metadata: readonly (readonly [key: string, value: TypedGgufValue])[];
  readonly tensors: Shapes;
}

export interface FolderSkeleton {
  readonly kind: 'folder';
  readonly name: string;
  readonly seed: number;
  /** Text of config.json. Some classes of transformers refuse 30 where they expect 30.0. */
  readonly config: string;
  readonly tensors: Shapes;
}

export type Skeleton = GgufSkeleton | FolderSkeleton;

const F32 = formatByName('F32');

/** The files of a model, by name. */
export async function filesOf(skeleton: Skeleton): Promise<Map<string, Uint8Array>> {
  const tensors = Object.entries(skeleton.tensors).map(
    ([name, shape]): TensorToWrite => ({
      name,
      shape,
      format: F32,
      data: () => new Uint8Array(valuesOf(planOf(name, shape), skeleton.seed).buffer),
    }),
  );
  if (skeleton.kind === 'gguf')
    return new Map([[`${skeleton.name}.gguf`, await ggufBytes({ metadata: skeleton.metadata, tensors })]]);
  return new Map([
    ['config.json', new TextEncoder().encode(skeleton.config)],
    ['model.safetensors', await safetensorsBytes({ metadata: [['format', 'pt']], tensors })],
  ]);
}

/** Larger weights than at the start of a training, so that every part of the model has an effect on its logits. */
function planOf(name: string, shape: readonly number[]): TensorPlan {
  const plan = { name, shape };
  if (/ssm_a$|A_log$/.test(name)) return { ...plan, mean: -1, deviation: 0.2 };
  if (shape.length === 1) {
    const isBias = /bias|_b$|ssm_dt|dt_bias/.test(name);
    return { ...plan, mean: isBias ? 0 : 1, deviation: isBias ? 0.3 : 0.2 };
  }
  const isGain = /norm/.test(name);
  return { ...plan, mean: isGain ? 1 : 0, deviation: isGain ? 0.2 : 1.5 / Math.sqrt(shape.at(-1)!) };
}
