/** What relative URLs are relative to. A worker that a page started is told the page's. */
let base: string | undefined;

export function setBaseUrl(url: string): void {
  base = url;
}

export function baseUrl(): string {
  return base ?? globalThis.location.href;
}
