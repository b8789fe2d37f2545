import { accumulatedState } from '../../../graph/ops/accumulate.ts';
import type { AdamWAttributes } from '../../../graph/ops/adamW.ts';
import type { ClipAttributes } from '../../../graph/ops/clip.ts';
import type { Lowering } from '../lowering.ts';

/** Computes partial sums in blocks that do not depend on the number of threads, then adds them. */
export const squareSum: Lowering<null> = (node, { emitter, exports }) => {
  const counts = node.inputs.map((input) => Number(exports.squareBlocks(emitter.rowsOf(input) * input.shape[1])));
  const total = counts.reduce((a, b) => a + b, 0);
  const partials = emitter.temporary(total * 8, `${node.label} partial sums`);
  let offset = 0;
  for (const [i, input] of node.inputs.entries()) {
    const from = emitter.region(input);
    emitter.emit({
      kernel: 'squares',
      label: `${node.label}.${input.label}`,
      values: [emitter.rowsKind(input), from, { region: partials, offset }, counts[i], input.shape[1]],
      reads: [from],
      writes: [partials],
      // each command writes its own partial sums
      split: 'partial sums',
    });
    offset += counts[i] * 8;
  }
  const output = emitter.region(node);
  emitter.emit({
    kernel: 'squareSum',
    label: node.label,
    values: [partials, total, output],
    reads: [partials],
    writes: [output],
  });
};

export const clip: Lowering<ClipAttributes> = (node, { emitter }) => {
  const squares = emitter.region(node.inputs[0]);
  const output = emitter.region(node);
  emitter.emit({
    kernel: 'clip',
    label: node.label,
    values: [squares, output, { float: node.attributes.norm }],
    reads: [squares],
    writes: [output],
  });
};

export const adamW: Lowering<AdamWAttributes> = (node, { emitter, kept }) => {
  const [weight, gradient, m, v, settings, factor] = node.inputs;
  const { region, packed } = kept(weight);
  const states = [accumulatedState(gradient)!, m, v].map((state) => kept(state).region);
  const numbers = [emitter.region(settings), emitter.region(factor)];
  const [rows, columns] = weight.shape as readonly [number, number];
  emitter.emit({
    kernel: 'adamW',
    label: node.label,
    values: [rows, columns, region, packed ? 1 : 0, ...states, ...numbers, node.attributes.decays ? 1 : 0],
    reads: [region, ...states, ...numbers],
    writes: [region, ...states],
  });
};
