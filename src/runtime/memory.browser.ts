/** How much memory a page may take, as far as browsers tell. Bytes. */

/** Chrome says how much the device has, rounded and at most 8 GiB; a page is given about half. */
export function freeMemoryBytes(): number {
  const gibibytes = (navigator as Navigator & { readonly deviceMemory?: number }).deviceMemory;
  return gibibytes === undefined ? Number.POSITIVE_INFINITY : (gibibytes / 2) * 2 ** 30;
}

/** The most that this process has had in memory at once; undefined where nobody knows. */
export function peakMemoryBytes(): number | undefined {
  return undefined;
}
