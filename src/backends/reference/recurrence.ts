/** Runs a recurrence over the tokens of each sequence, and keeps its state in the pages that the tokens reach. */
import { PAGE_POSITIONS, pageIndex } from '../../graph/step.ts';
import type { StepContext } from './kernel.ts';

/**
 * @param layer index of the state @param elements of the state, zero at the start of a sequence
 * @param token computes row `row` of the step, and changes the state
 */
export function recurrence(
  { registers: { T, S }, sequences }: StepContext,
  layer: number,
  elements: number,
  token: (row: number, state: Float32Array) => void,
): void {
  const parts =
    sequences ?? Array.from({ length: T / S }, (_, i) => ({ first: i * S, count: S, position: 0, state: noState }));
  for (const { first, count, position, state } of parts) {
    const past = position > 0 ? state(pageIndex(position - 1), layer) : undefined;
    const current = past?.slice() ?? new Float32Array(elements);
    for (let row = 0; row < count; row++) {
      token(first + row, current);
      const next = position + row + 1;
      if (next % PAGE_POSITIONS === 0 || row === count - 1) state(pageIndex(next - 1), layer)?.set(current);
    }
  }
}

const noState = (): undefined => undefined;
