/** Clients of a simulation: names, messages, and the order in which they are drawn. */
import { OptionError } from '../../core/errors.ts';
import type { RoundConfig } from '../round/roundConfig.ts';

/** Name of a simulated client, as long as a real one. */
export function nameOf(client: number): string {
  return client.toString(16).padStart(64, '0');
}

/** The fields that all messages have. */
export function headOf(client: number, config: RoundConfig) {
  return { round: config.id, signature: '', client: nameOf(client) };
}

/** Yields the numbers below `total` in random order (Fisher–Yates). Memory grows with the numbers taken. */
export function* shuffled(total: number, integer: (bound: number) => number): Generator<number> {
  const swapped = new Map<number, number>();
  for (let i = 0; i < total; i++) {
    const pick = i + integer(total - i);
    yield swapped.get(pick) ?? pick;
    swapped.set(pick, swapped.get(i) ?? i);
  }
}

/** Checks a simulated duration. @throws {OptionError} */
export function checkedDuration(milliseconds: number): number {
  if (milliseconds >= 0) return milliseconds;
  throw new OptionError('duration', milliseconds, 'a number of milliseconds, at least 0');
}
