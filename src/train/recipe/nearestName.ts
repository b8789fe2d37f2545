/** Finds the name that the user probably meant. */

/** Returns the name with the smallest edit distance, or undefined if more than a third of its letters differ. */
export function nearestName(name: string, names: readonly string[]): string | undefined {
  let nearest: string | undefined;
  let least = Number.POSITIVE_INFINITY;
  for (const known of names) {
    const distance = edits(name.toLowerCase(), known.toLowerCase());
    if (distance < least && distance <= Math.ceil(known.length / 3)) [nearest, least] = [known, distance];
  }
  return nearest;
}

/** Levenshtein distance; infinite for texts longer than 64 characters. */
function edits(a: string, b: string): number {
  if (Math.max(a.length, b.length) > 64) return Number.POSITIVE_INFINITY;
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const changed = row[j - 1] + Number(a[i - 1] !== b[j - 1]);
      next.push(Math.min(changed, row[j] + 1, next[j - 1] + 1));
    }
    row = next;
  }
  return row[b.length];
}
