/** Type of the gradient rules: each file in this folder has the rule of one op. */
import type { Value } from '../graph.ts';

/**
 * @param node the forward node; its inputs may be recomputed copies
 * @param dy gradient of the node's value
 * @returns for each input a function that adds the nodes of its gradient, or undefined if the input has no gradient. The
 *   function is called only if the gradient is needed.
 */
export type GradientRule<A = unknown> = (node: Value<A>, dy: Value) => readonly ((() => Value) | undefined)[];
