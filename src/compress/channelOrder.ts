/**
 * Order in which OBS quantizes the channels: blocks by importance, groups by importance within their block, channels by
 * importance within their group. So the most important ones are rounded first, when most others can still compensate, and
 * each group has all of its channels side by side, as its scale requires (group-aware order).
 */

/** @param importance [n] diagonal of H @param block, group sizes of the format */
export function channelOrder(importance: ArrayLike<number>, block: number, group: number): Int32Array {
  const all = Array.from({ length: importance.length }, (_, i) => i);
  const mean = (members: readonly number[]) =>
    members.reduce((sum, member) => sum + importance[member], 0) / members.length;
  const sorted = (members: readonly number[], size: number): number[][] =>
    Array.from({ length: members.length / size }, (_, i) => members.slice(i * size, (i + 1) * size))
      .map((part) => ({ part, weight: mean(part) }))
      .sort((a, b) => b.weight - a.weight || a.part[0] - b.part[0])
      .map(({ part }) => part);
  return Int32Array.from(
    sorted(all, block).flatMap((whole) => sorted(whole, group).flatMap((part) => sorted(part, 1).flat())),
  );
}
