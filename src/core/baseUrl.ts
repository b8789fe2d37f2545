/** Base of relative URLs. A page's worker uses the page's base, which it receives in its first message. */
let base: string | undefined;

export function setBaseUrl(url: string): void {
  base = url;
}

export function baseUrl(): string {
  return base ?? globalThis.location.href;
}
