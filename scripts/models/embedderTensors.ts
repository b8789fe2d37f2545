/** Tensors of the parts of tiny embedders, under GGUF names. */
import type { TensorPlan } from './weights.ts';

/** Sizes of all embedders. */
export const SIZES = { width: 48, heads: 4, ffn: 80, vocabulary: 64, context: 64 };
const { width } = SIZES;

export const matrix = (name: string, rows: number, columns: number, scale = 1.3): TensorPlan => ({
  name: `${name}.weight`,
  shape: [rows, columns],
  deviation: scale / Math.sqrt(columns),
});
/** Matrices of all experts. */
export const stacked = (name: string, experts: number, rows: number, columns: number): TensorPlan => ({
  ...matrix(name, rows, columns),
  shape: [experts, rows, columns],
});
export const table = (name: string, rows: number): TensorPlan => ({
  name: `${name}.weight`,
  shape: [rows, width],
  deviation: 1,
});
export const gains = (name: string, size = width): TensorPlan => ({
  name: `${name}.weight`,
  shape: [size],
  mean: 1,
  deviation: 0.2,
});
export const bias = (name: string, size: number): TensorPlan => ({
  name: `${name}.bias`,
  shape: [size],
  deviation: 0.3,
});
export const layerNorm = (name: string): TensorPlan[] => [gains(name), bias(name, width)];
export const biased = (name: string, rows: number, columns: number): TensorPlan[] => [
  matrix(name, rows, columns),
  bias(name, rows),
];
export const layers = (
  count: number,
  block: (name: (part: string) => string, layer: number) => TensorPlan[],
): TensorPlan[] => Array.from({ length: count }, (_, layer) => block((part) => `blk.${layer}.${part}`, layer)).flat();
