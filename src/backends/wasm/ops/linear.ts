import { isWeight, type Value } from '../../../graph/graph.ts';
import type { Lowering } from '../lowering.ts';

export const linear: Lowering<null> = (node, { emitter, weights, quantized }) => {
  const [x, matrix, bias] = node.inputs;
  if (!isWeight(matrix!)) throw new TypeError('linear: the matrix is not a weight');
  const { region, format } = weights.matrix(matrix);
  const columns = matrix.shape[1];
  const rowsKind = emitter.rowsKind(node);
  emitter.needScratch(format.scratchBytes(columns));

  // an addition that takes nothing but this product is done as the product is written
  const sum = emitter.soleConsumer(node);
  const other = sum?.op.name === 'add' ? sum.inputs.find((input) => input !== node) : undefined;
  const fused = other !== undefined && emitter.has(other);
  const residual = fused ? emitter.region(other) : undefined;
  const output = emitter.region(fused ? sum! : node);
  if (fused) emitter.alias(node, output);

  const source =
    format.activations === 'floats'
      ? { codes: emitter.region(x!), scales: undefined }
      : quantized(x!, format.activations);
  const biases = bias && isWeight(bias) ? weights.vector(bias as Value<never>) : undefined;
  const reads = [region, source.codes, source.scales, biases, residual].filter((input) => input !== undefined);
  emitter.emit({
    kernel: `matmul_${format.name}`,
    label: node.label,
    values: [
      rowsKind,
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
