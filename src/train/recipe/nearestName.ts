/** The name that someone may have meant. */

/** Of the names the one with the least edits, where a third of its letters or fewer are wrong. */
export function nearestName(name: string, names: readonly string[]): string | undefined {
  let nearest: string | undefined;
  let least = Number.POSITIVE_INFINITY;
  for (const known of names) {
    const distance = edits(name.toLowerCase(), known.toLowerCase());
    if (distance < least && distance <= Math.ceil(known.length / 3)) [nearest, least] = [known, distance];
  }
  return nearest;
}

/** Letters to put in, take out or change (Levenshtein 1966); texts beyond 64 letters count as far. */
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
