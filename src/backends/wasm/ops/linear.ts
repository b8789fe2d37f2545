import { isWeight, type Value } from '../../../graph/graph.ts';
import type { Lowering } from '../lowering.ts';
import { destination, tiled } from '../products.ts';

export const linear: Lowering<null> = (node, context) => {
  const { emitter, weights, quantized } = context;
  const [x, matrix, bias] = node.inputs;
  if (!isWeight(matrix)) throw new TypeError('linear: the matrix is not a weight');
  const { region, format } = weights.matrix(matrix);
  const columns = matrix.shape[1];
  emitter.needScratch(format.scratchBytes(columns));
  const source =
    format.activations === 'floats'
      ? { codes: emitter.region(x), scales: emitter.rowsOf(x) > 1 ? tiled(x, context) : undefined }
      : quantized(x, format.activations);
  const { output, residual } = destination(node, emitter);
  const biases = bias && isWeight(bias) ? weights.vector(bias as Value<never>) : undefined;
  const reads = [region, source.codes, source.scales, biases, residual].filter((input) => input !== undefined);
  emitter.emit({
    kernel: `matmul_${format.name}`,
    label: node.label,
    values: [
      emitter.rowsKind(node),
      region,
      source.codes,
      source.scales ?? 0,
      output,
      node.shape[1],
      columns,
      biases ?? 0,
      residual ?? 0,
      'scratch',
      'scratchStride',
    ],
    reads,
    writes: [output],
  });
};
