import { type Aggregate, normOf } from './update.ts';

/**
 * Scales larger updates down before they are combined, so that no client can move the model far.
 * @param bound maximum L2 norm, or 'median': the median norm of the round's updates
 */
export function normBound(bound: number | 'median', combine: Aggregate): Aggregate {
  return (updates) => {
    const norms = updates.map(({ values }) => normOf(values));
    const limit = bound === 'median' ? norms.toSorted((a, b) => a - b)[norms.length >> 1] : bound;
    return combine(
      updates.map((update, i) =>
        norms[i] <= limit ? update : { ...update, values: update.values.map((value) => (value * limit) / norms[i]) },
      ),
    );
  };
}
