/** Shared parts of f32 matrix products: tiles of activations, and the destination. */
import type { Value } from '../../graph/graph.ts';
import type { Emitter, Region } from './emitter.ts';
import type { LoweringContext } from './lowering.ts';

/** Rows of a tile of activations, see kernels/parts/tile.ts. */
const TILE_ROWS = 6;

/** Bytes of `count` columns of a value in row tiles. */
export function tiledBytes(emitter: Emitter, value: Value, count: number): number {
  return Math.ceil(emitter.rowsOf(value) / TILE_ROWS) * TILE_ROWS * count * 4;
}

/** Packs the rows of a value into tiles for f32 products. */
export function tiled(value: Value, { emitter, derived }: LoweringContext): Region {
  return derived(`tiles of rows ${value.id}`, () => {
    const width = value.shape[1];
    const from = emitter.region(value);
    const to = emitter.temporary(tiledBytes(emitter, value, width), `${value.label} tiles`);
    emitter.emit({
      kernel: 'interleave',
      label: `${value.label}.tiles`,
      values: [emitter.rowsKind(value), from, to, width, 0, width],
      reads: [from],
      writes: [to],
    });
    return to;
  });
}

/** Destination of a product. An addition of an existing value is fused with writing the product. */
export function destination(
  node: Value<never> | Value<unknown>,
  emitter: Emitter,
): { output: Region; residual: Region | undefined } {
  const value = node as Value;
  const sum = emitter.soleConsumer(value);
  const other = sum?.op.name === 'add' ? sum.inputs.find((input) => input !== value) : undefined;
  if (!sum || !other || !emitter.has(other)) return { output: emitter.region(value), residual: undefined };
  const residual = emitter.region(other);
  const output = emitter.region(sum);
  emitter.alias(value, output);
  return { output, residual };
}
