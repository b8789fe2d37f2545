import { isWeight } from '../../../graph/graph.ts';
import type { Lowering } from '../lowering.ts';

export const embed: Lowering<null> = (node, { emitter, weights }) => {
  const [table, ids] = node.inputs;
  if (!isWeight(table)) throw new TypeError('embed: the table is not a weight');
  const { region, format } = weights.matrix(table);
  const output = emitter.region(node);
  const from = emitter.region(ids);
  const columns = node.shape[1];
  emitter.needScratch(format.scratchBytes(columns));
  emitter.emit({
    kernel: `embed_${format.name}`,
    label: node.label,
    values: [emitter.rowsKind(node), region, from, output, columns, 'scratch', 'scratchStride'],
    reads: [region, from],
    writes: [output],
  });
};
