/** Shorter conversations: the oldest exchanges are left out, so that what stays makes sense. */
import type { ChatMessage } from './chatMessage.ts';

const INSTRUCTIONS = ['system', 'developer'];

/**
 * Leaves out as few of the oldest messages as necessary. The instructions at the beginning and the last exchange stay. An
 * exchange (from a message of the user up to the next one) goes as a whole; inside of the last one, calls of tools go
 * together with their results.
 * @param fits whether messages are short enough; if it is true, it is true of fewer messages too
 * @returns undefined if even the fewest messages do not fit
 */
export function dropOldest(
  messages: readonly ChatMessage[],
  fits: (messages: readonly ChatMessage[]) => boolean,
): readonly ChatMessage[] | undefined {
  if (fits(messages)) return messages;
  const units = droppable(messages);
  const without = (count: number): ChatMessage[] => {
    const dropped = new Set(units.slice(0, count).flat());
    return messages.filter((_, i) => !dropped.has(i));
  };
  let low = 1;
  let high = units.length;
  if (high === 0 || !fits(without(high))) return undefined;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (fits(without(middle))) high = middle;
    else low = middle + 1;
  }
  return without(low);
}

/** Indices of messages that go together, oldest first. */
function droppable(messages: readonly ChatMessage[]): number[][] {
  const units: number[][] = [];
  let start = messages.findIndex(({ role }) => !INSTRUCTIONS.includes(role));
  if (start < 0) return units;
  const last = Math.max(
    start,
    messages.findLastIndex(({ role }) => role === 'user'),
  );
  for (let i = start + 1; i <= last; i++) {
    if (messages[i].role !== 'user' || messages[i - 1].role === 'user') continue;
    units.push(range(start, i));
    start = i;
  }
  // inside the last exchange, all calls but the last
  const calls: number[][] = [];
  for (let i = start + 1; i < messages.length; i++) {
    if (messages[i].role === 'assistant') calls.push([i]);
    else if (messages[i].role !== 'user' && calls.length > 0) calls[calls.length - 1].push(i);
  }
  return [...units, ...calls.slice(0, -1)];
}

function range(start: number, end: number): number[] {
  return Array.from({ length: end - start }, (_, i) => start + i);
}
