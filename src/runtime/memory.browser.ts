/** Memory that a page may use, as far as browsers report it, in bytes. */

/** Chrome reports the memory of the device, rounded and at most 8 GiB. A page gets about half. */
export function freeMemoryBytes(): number {
  const gibibytes = (navigator as Navigator & { readonly deviceMemory?: number }).deviceMemory;
  return gibibytes === undefined ? Number.POSITIVE_INFINITY : (gibibytes / 2) * 2 ** 30;
}

/** Peak memory of this process. Browsers do not report it. */
export function peakMemoryBytes(): number | undefined {
  return undefined;
}
