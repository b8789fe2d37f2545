/** Kinds of graphs: one generates text, the other encodes whole texts. */
import { OptionError } from '../core/errors.ts';
import type { Graph } from '../graph/graph.ts';
import { tokenTable } from '../graph/ops/storedRows.ts';

/** True if a token's outputs depend on later tokens (bidirectional attention), so that the graph only runs whole texts. */
export function isEncoder(graph: Graph): boolean {
  const outputs = ['hidden', 'logits'].flatMap((name) => graph.outputs.get(name) ?? []);
  return graph.live(outputs).some(({ op, attributes }) => op.batchOnly?.(attributes));
}

/** Vocabulary size. Token ids are smaller. */
export function vocabularyOf(graph: Graph): number {
  const logits = graph.outputs.get('logits');
  if (logits) return logits.shape[1];
  return Number(tokenTable(graph)?.shape[0] ?? 0);
}

/** @param what names the tokens in errors @throws {OptionError} if an id is outside the vocabulary: kernels do not check it */
export function checkIds(ids: readonly number[], vocabulary: number, what: string): void {
  for (const [i, id] of ids.entries())
    if (!Number.isInteger(id) || id < 0 || id >= vocabulary)
      throw new OptionError(`id ${i} of ${what}`, id, `a whole number from 0 to ${vocabulary - 1}`);
}
