/** Kinds of graphs: one generates text, the other encodes whole texts. */
import type { Graph } from '../graph/graph.ts';
import { storedTables } from '../graph/ops/storedRows.ts';

/** True if a token's outputs depend on later tokens (bidirectional attention), so that the graph only runs whole texts. */
export function isEncoder(graph: Graph): boolean {
  const outputs = ['hidden', 'logits'].flatMap((name) => graph.outputs.get(name) ?? []);
  return graph.live(outputs).some(({ op, attributes }) => op.batchOnly?.(attributes));
}

/** Vocabulary size. Token ids are smaller. */
export function vocabularyOf(graph: Graph): number {
  const logits = graph.outputs.get('logits');
  if (logits) return logits.shape[1];
  const lookup = graph.nodes.find(({ op, inputs }) => op.name === 'embed' && inputs[1]?.op.name === 'tokens');
  const [table = lookup?.inputs[0]] = storedTables(graph).values();
  return Number(table?.shape[0] ?? 0);
}
