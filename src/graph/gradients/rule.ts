/** How one op passes the gradient of its value on to its inputs; each op's file in this folder gives one of these. */
import type { Value } from '../graph.ts';

/**
 * @param node whose inputs may have been computed again, @param dy the gradient of its value
 * @returns by input what adds the nodes of its gradient, called only where that is wanted; undefined: it has none
 */
export type GradientRule<A = unknown> = (node: Value<A>, dy: Value) => readonly ((() => Value) | undefined)[];
