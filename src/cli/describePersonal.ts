import type { PersonalResult } from '../federated/index.ts';

/** Says in one line what a personal adapter consists of, and its losses. */
export function describePersonal({
  steps,
  alone,
  sharedLoss,
  loss,
}: Pick<PersonalResult, 'steps' | 'alone' | 'sharedLoss' | 'loss'>): string {
  const parts: string[] = [];
  if (steps > 0) parts.push(`${steps} steps on the own texts`);
  if (alone > 0) parts.push(`${Math.round(100 * alone)}% of an adapter that this device trained alone`);
  if (parts.length === 0) return `training on the own texts did not help, held-out loss ${sharedLoss.toFixed(4)}`;
  const losses = `held-out loss ${sharedLoss.toFixed(4)} → ${loss.toFixed(4)}`;
  return `${parts.join(', ')}, ${losses} before the last training on all texts`;
}
