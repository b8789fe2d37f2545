/** What products of floats share: their activations in tiles, and where they go. */
import type { Value } from '../../graph/graph.ts';
import type { Emitter, Region } from './emitter.ts';
import type { LoweringContext } from './lowering.ts';

/** Rows of a tile of activations, see kernels/parts/tile.ts. */
const TILE_ROWS = 6;

/** Bytes of `count` columns of a value in tiles of rows. */
export function tiledBytes(emitter: Emitter, value: Value, count: number): number {
  return Math.ceil(emitter.rowsOf(value) / TILE_ROWS) * TILE_ROWS * count * 4;
}

/** A value's rows in tiles, as products of floats take them. */
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

/** Where a product goes: an addition that takes nothing else new is done as the product is written. */
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
