/** Shortens conversations by leaving out the oldest exchanges. */
import type { ChatMessage } from './chatMessage.ts';

const INSTRUCTIONS = ['system', 'developer'];

/**
 * Leaves out as few of the oldest messages as necessary. Keeps the system message and the last exchange. An exchange (a user
 * message and everything up to the next one) is removed as a whole. Within the last exchange, tool calls are removed
 * together with their results.
 * @param fits returns true if messages are short enough; must then also be true for fewer messages
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

/** Groups of message indices that are removed together, oldest first. */
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
