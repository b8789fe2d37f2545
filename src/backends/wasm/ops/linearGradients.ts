import { isWeight, type Value } from '../../../graph/graph.ts';
import type { Region } from '../emitter.ts';
import type { Lowering, LoweringContext } from '../lowering.ts';
import { destination, tiledBytes } from '../products.ts';

/** Number of outputs per pass: rows of weights are unpacked and transposed. */
const OUTPUTS = 1024;

const wholeNumbers = new Map<number, Float32Array>();

/** 0 … count − 1 as integers. */
function integers(count: number): Float32Array {
  let made = wholeNumbers.get(count);
  if (!made) wholeNumbers.set(count, (made = new Float32Array(Int32Array.from({ length: count }, (_, i) => i).buffer)));
  return made;
}

/** dy·W: the forward kernel with panels of W's columns, made from its unpacked rows. */
export const linearInputGradient: Lowering<null> = (node, { emitter, weights, exports }) => {
  const [dy, matrix] = node.inputs;
  if (!isWeight(matrix)) throw new TypeError('linearInputGradient: the matrix is not a weight');
  const { region, format } = weights.matrix(matrix);
  const [outputs, inputs] = matrix.shape as readonly [number, number];
  emitter.needScratch(Math.max(format.scratchBytes(inputs), Number(exports.scratchBytes_F32(inputs))));
  const ids = weights.constant(integers(outputs), `0 … ${outputs - 1}`);
  const from = emitter.region(dy);
  const kind = emitter.rowsKind(node);
  const { output, residual } = destination(node, emitter);
  for (let first = 0; first < outputs; first += OUTPUTS) {
    const count = Math.min(OUTPUTS, outputs - first);
    const rows = emitter.temporary(count * inputs * 4, `${node.label} rows`);
    emitter.emit({
      kernel: `embed_${format.name}`,
      label: `${node.label}.rows`,
      values: [-count, region, { region: ids, offset: first * 4 }, rows, inputs, 'scratch', 'scratchStride'],
      reads: [region, ids],
      writes: [rows],
    });
    const panels = emitter.temporary(panelBytes(count, inputs), `${node.label} panels`);
    emitter.emit({
      kernel: 'panels',
      label: `${node.label}.panels`,
      values: [-count, rows, panels, inputs, count],
      reads: [rows],
      writes: [panels],
    });
    const tiles = emitter.temporary(tiledBytes(emitter, dy, count), `${node.label} tiles`);
    if (emitter.rowsOf(dy) > 1) {
      emitter.emit({
        kernel: 'interleave',
        label: `${node.label}.tiles`,
        values: [kind, from, tiles, outputs, first, count],
        reads: [from],
        writes: [tiles],
      });
    }
    const before = first > 0 ? output : residual;
    emitter.emit({
      kernel: 'matmul_F32',
      label: node.label,
      values: [
        kind,
        panels,
        { region: from, offset: first * 4 },
        tiles,
        output,
        inputs,
        count,
        0,
        before ?? 0,
        'scratch',
        'scratchStride',
      ],
      reads: [panels, from, tiles, ...(before ? [before] : [])],
      writes: [output],
    });
  }
};

/** Bytes of panels with 8 columns and `rows` rows. */
function panelBytes(rows: number, width: number): number {
  return rows * Math.ceil(width / 8) * 8 * 4;
}

/** Fuses a weight gradient with the accumulation that is its only reader. */
export const linearWeightGradient: Lowering<null> = (node, context) => {
  if (isSummand(node, context)) return;
  emitLinearWeightGradient(node, context.emitter.region(node), false, context);
};

export const embedWeightGradient: Lowering<unknown> = (node, context) => {
  if (isSummand(node, context)) return;
  emitEmbedWeightGradient(node, context.emitter.region(node), false, context);
};

function isSummand(node: Value<never> | Value<unknown>, { emitter }: LoweringContext): boolean {
  const taker = emitter.soleConsumer(node as Value);
  return taker?.op.name === 'accumulate' && taker.inputs[1] === node;
}

/** state += gradient. The node shares the memory of the state. */
export const accumulate: Lowering<null> = (node, context) => {
  const { emitter } = context;
  const [sum, gradient] = node.inputs;
  const state = emitter.region(sum);
  emitter.alias(node, state);
  if (!emitter.has(gradient)) {
    if (gradient.op.name === 'linearWeightGradient') emitLinearWeightGradient(gradient, state, true, context);
    else emitEmbedWeightGradient(gradient, state, true, context);
    return;
  }
  const from = emitter.region(gradient);
  emitter.emit({
    kernel: 'add',
    label: node.label,
    values: [emitter.rowsKind(node), state, from, state, node.shape[1]],
    reads: [state, from],
    writes: [state],
    split: `elements ${node.shape.join(' ')}`,
  });
};

/**
 * dyᵀ·x. xᵀ·x is symmetric: only its upper triangle is computed, and mirrored by a second command. The narrower matrix is packed once for all threads; each thread packs its part of the other one.
 */
function emitLinearWeightGradient(
  node: Value<never> | Value<unknown>,
  result: Region,
  add: boolean,
  context: LoweringContext,
): void {
  const { emitter, exports, derived } = context;
  const [dy, x] = node.inputs as readonly [Value, Value];
  const [outputs, inputs] = node.shape as readonly [number, number];
  const kind = emitter.rowsKind(dy);
  const narrow = outputs < inputs ? dy : x;
  const kernel = outputs < inputs ? 'tiles' : 'panels';
  const packed = derived(`${kernel} of columns ${narrow.id}`, () => {
    const from = emitter.region(narrow);
    const width = narrow.shape[1];
    const lanes = outputs < inputs ? 6 : 8;
    const to = emitter.temporary(
      emitter.rowsOf(narrow) * Math.ceil(width / lanes) * lanes * 4,
      `${narrow.label} ${kernel}`,
    );
    const values = [kind, from, to, width, Number(exports.linearWeightGradientDepth())];
    emitter.emit({ kernel, label: `${narrow.label}.${kernel}`, values, reads: [from], writes: [to] });
    return to;
  });
  const wide = emitter.region(outputs < inputs ? x : dy);
  emitter.needScratch(Number(exports.linearWeightGradientScratch()));
  const [left, right] = outputs < inputs ? [packed, wide] : [wide, packed];
  emitter.emit({
    kernel: 'linearWeightGradient',
    label: node.label,
    values: [
      kind,
      left,
      right,
      result,
      outputs,
      inputs,
      add ? 1 : 0,
      'scratch',
      'scratchStride',
      outputs < inputs ? 0 : 1,
      dy === x ? 1 : 0,
    ],
    reads: [packed, wide, ...(add ? [result] : [])],
    writes: [result],
  });
  if (dy === x)
    emitter.emit({
      kernel: 'mirror',
      label: `${node.label}.mirror`,
      values: [result, inputs],
      reads: [result],
      writes: [result],
    });
}

function emitEmbedWeightGradient(
  node: Value<never> | Value<unknown>,
  result: Region,
  add: boolean,
  { emitter }: LoweringContext,
): void {
  const [dy, ids] = node.inputs as readonly [Value, Value];
  const [from, at] = [emitter.region(dy), emitter.region(ids)];
  const [rows, width] = node.shape as readonly [number, number];
  emitter.emit({
    kernel: 'embedWeightGradient',
    label: node.label,
    values: [emitter.rowsKind(dy), from, at, result, rows, width, add ? 1 : 0],
    reads: [from, at, ...(add ? [result] : [])],
    writes: [result],
  });
}

/** The gradient of a bias. */
export const sumRows: Lowering<null> = (node, { emitter }) => {
  const [x] = node.inputs;
  const from = emitter.region(x);
  const output = emitter.region(node);
  emitter.emit({
    kernel: 'sumRows',
    label: node.label,
    values: [emitter.rowsKind(x), from, output, node.shape[1]],
    reads: [from],
    writes: [output],
  });
};
