import type { Value } from '../../../graph/graph.ts';
import type { KlDivergenceAttributes } from '../../../graph/ops/klDivergence.ts';
import type { Argument, Emitter, Region } from '../emitter.ts';
import type { Lowering, LoweringContext } from '../lowering.ts';

/** A loss per row, with the sums of logits that its gradient reuses. */
interface Loss {
  readonly kernel: string;
  /** Numbers to keep per row. */
  readonly scales: number;
  readonly settings: readonly Argument[];
}

const crossEntropyLoss: Loss = { kernel: 'crossEntropy', scales: 2, settings: [] };

function klDivergenceLoss({ temperature, reverse }: KlDivergenceAttributes): Loss {
  return { kernel: 'klDivergence', scales: 5, settings: [{ float: temperature }, { float: reverse }] };
}

const nameOf = (loss: Loss, logits: Value, other: Value) =>
  `${loss.kernel} ${JSON.stringify(loss.settings)} ${logits.id} ${other.id}`;

function emitLoss(loss: Loss, node: Value, output: Region, { emitter }: LoweringContext): Region {
  const [logits, other] = node.inputs as readonly [Value, Value];
  const [x, y] = [emitter.region(logits), emitter.region(other)];
  const scales = emitter.temporary(emitter.rowsOf(logits) * loss.scales * 4, `${node.label} scales`);
  emitter.emit({
    kernel: loss.kernel,
    label: node.label,
    values: [emitter.rowsKind(logits), x, y, output, logits.shape[1], scales, ...loss.settings],
    reads: [x, y],
    writes: [output, scales],
  });
  return scales;
}

function lossValue(loss: Loss, node: Value, context: LoweringContext): void {
  const [logits, other] = node.inputs as readonly [Value, Value];
  const scales = emitLoss(loss, node, context.emitter.region(node), context);
  context.derived(nameOf(loss, logits, other), () => scales);
}

function lossGradient(loss: Loss, node: Value, context: LoweringContext): void {
  const { emitter, derived } = context;
  const [logits, other, dy] = node.inputs as readonly [Value, Value, Value];
  const scales = derived(nameOf(loss, logits, other), () => {
    const unwanted = emitter.temporary(emitter.rowsOf(logits) * 4, `${node.label} loss`);
    return emitLoss(loss, node, unwanted, context);
  });
  const [x, y, pull] = [emitter.region(logits), emitter.region(other), emitter.region(dy)];
  const output = mayOverwrite(logits, node, loss, emitter) ? x : emitter.region(node);
  emitter.alias(node, output);
  emitter.emit({
    kernel: `${loss.kernel}Gradient`,
    label: node.label,
    values: [emitter.rowsKind(logits), x, y, output, logits.shape[1], scales, ...loss.settings, pull],
    reads: [x, y, scales, pull],
    writes: [output],
  });
}

/** Overwrites the logits, the largest value, with their gradient if only the loss reads them. */
function mayOverwrite(logits: Value, node: Value, { kernel }: Loss, emitter: Emitter): boolean {
  const readers = emitter.consumers(logits);
  return (
    readers?.every((reader) => reader === node || (reader.op.name === kernel && reader.inputs[1] !== logits)) ===
      true &&
    node.inputs[1] !== logits &&
    emitter.isAlone(logits)
  );
}

export const crossEntropy: Lowering<null> = (node, context) => lossValue(crossEntropyLoss, node as Value, context);

export const crossEntropyGradient: Lowering<null> = (node, context) =>
  lossGradient(crossEntropyLoss, node as Value, context);

export const klDivergence: Lowering<KlDivergenceAttributes> = (node, context) =>
  lossValue(klDivergenceLoss(node.attributes), node as Value, context);

export const klDivergenceGradient: Lowering<KlDivergenceAttributes> = (node, context) =>
  lossGradient(klDivergenceLoss(node.attributes), node as Value, context);

export const weightedSum: Lowering<null> = (node, { emitter }) => {
  const [x, weights] = node.inputs.map((input) => emitter.region(input));
  const output = emitter.region(node);
  emitter.emit({
    kernel: 'weightedSum',
    label: node.label,
    values: [emitter.rowsKind(node.inputs[0]), x, weights, output],
    reads: [x, weights],
    writes: [output],
  });
};

export const weightedSumGradient: Lowering<null> = (node, { emitter }) => {
  const [weights, dy] = node.inputs.map((input) => emitter.region(input));
  const output = emitter.region(node);
  emitter.emit({
    kernel: 'weightedSumGradient',
    label: node.label,
    values: [emitter.rowsKind(node), weights, dy, output],
    reads: [weights, dy],
    writes: [output],
  });
};
