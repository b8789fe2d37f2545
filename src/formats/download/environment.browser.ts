/** A page has no environment. */
export function environment(_name: string): string | undefined {
  return undefined;
}
