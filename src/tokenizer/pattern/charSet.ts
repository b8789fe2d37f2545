/** Sets of code points, as the classes of a pattern describe them. */
export interface CharSet {
  has(codePoint: number): boolean;
}

export function ranges(...pairs: readonly (readonly [number, number])[]): CharSet {
  const sorted = [...pairs].sort((a, b) => a[0] - b[0]);
  // widest end so far, so that overlapping ranges do not hide one another from the binary search
  let last = -1;
  const ends = sorted.map(([, end]) => (last = Math.max(last, end)));
  return {
    has: (codePoint) => {
      let low = 0;
      let high = sorted.length;
      while (low < high) {
        const middle = (low + high) >>> 1;
        if (sorted[middle][0] <= codePoint) low = middle + 1;
        else high = middle;
      }
      return low > 0 && ends[low - 1] >= codePoint;
    },
  };
}

export function union(sets: readonly CharSet[]): CharSet {
  return sets.length === 1 ? sets[0] : { has: (codePoint) => sets.some((set) => set.has(codePoint)) };
}

export function intersection(a: CharSet, b: CharSet): CharSet {
  return { has: (codePoint) => a.has(codePoint) && b.has(codePoint) };
}

export function complement(set: CharSet): CharSet {
  return { has: (codePoint) => !set.has(codePoint) };
}

/** Code points whose upper or lower case is in the set: ſ (U+017F) is an s, K (U+212A) is a k. */
export function ignoringCase(set: CharSet): CharSet {
  return {
    has: (codePoint) => {
      const text = String.fromCodePoint(codePoint);
      const upper = text.toUpperCase();
      return [text, text.toLowerCase(), upper, upper.toLowerCase()].some(
        (variant) => variant.length > 0 && set.has(variant.codePointAt(0)!) && [...variant].length === 1,
      );
    },
  };
}
