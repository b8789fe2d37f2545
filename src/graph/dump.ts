/** Prints a graph, one node per line: `%7 [T, 2048] linear(%5, blk.0.attn_q.weight Q4_0) — blk.0.attn_q`. */
import { type Graph, isWeight, type Registers, type Value } from './graph.ts';

/** @param registers if set, each line ends with the node's flops and bytes for these register values */
export function dumpGraph(graph: Graph, registers?: Registers): string {
  const name = (value: Value): string =>
    isWeight(value) ? `${value.attributes.tensor} ${value.attributes.format.name}` : `%${value.id}`;
  const lines: string[] = [];
  for (const node of graph.live()) {
    if (isWeight(node)) continue;
    const values = [...node.inputs.map(name), ...describe(node.attributes)].join(', ');
    let line = `%${node.id} [${node.shape.join(', ')}] ${node.op.name}(${values}) — ${node.label}`;
    if (registers) {
      const { flops, bytes } = node.op.cost(node.inputs, node.attributes, node.shape, registers);
      line += ` · ${(flops / 1e6).toFixed(3)} Mflop, ${(bytes / 1e6).toFixed(3)} MB`;
    }
    lines.push(line);
  }
  for (const [output, value] of graph.outputs) lines.push(`${output} = %${value.id}`);
  return lines.join('\n');
}

function describe(attributes: unknown): string[] {
  if (attributes === null || typeof attributes !== 'object') return [];
  return Object.entries(attributes).map(([key, value]) =>
    value instanceof Float32Array ? `${key} ×${value.length}` : `${key} ${String(value)}`,
  );
}
