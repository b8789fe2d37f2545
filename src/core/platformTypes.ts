/**
 * Types of the platform for users whose compiler knows neither the DOM nor Node. The build lets the package's
 * declarations import them from here under their own names (scripts/finishDeclarations.ts). Where the compiler knows the
 * type, it is that one; else it is what the API needs of it.
 */
type Global = typeof globalThis;

type AbortSignalType = Global extends { AbortSignal: { prototype: infer T } }
  ? T
  : { readonly aborted: boolean; readonly reason: unknown; throwIfAborted(): void };
type BlobType = Global extends { Blob: { prototype: infer T } }
  ? T
  : { readonly size: number; arrayBuffer(): Promise<ArrayBuffer> };
type HeadersType = Global extends { Headers: { prototype: infer T } } ? T : { get(name: string): string | null };
type ReadableStreamType<_R> = Global extends { ReadableStream: { prototype: infer T } }
  ? T
  : { readonly locked: boolean; getReader(): unknown };
type ResponseType = Global extends { Response: { prototype: infer T } }
  ? T
  : {
      readonly status: number;
      readonly url: string;
      readonly headers: HeadersType;
      arrayBuffer(): Promise<ArrayBuffer>;
    };
type UrlType = Global extends { URL: { prototype: infer T } } ? T : { readonly href: string };
type RequestCacheType = 'default' | 'force-cache' | 'no-cache' | 'no-store' | 'only-if-cached' | 'reload';
/** They are passed on, and never looked into. */
type WebAssemblyType = object;

export type {
  AbortSignalType as AbortSignal,
  BlobType as Blob,
  HeadersType as Headers,
  ReadableStreamType as ReadableStream,
  RequestCacheType as RequestCache,
  ResponseType as Response,
  UrlType as URL,
  WebAssemblyType as WebAssemblyMemory,
  WebAssemblyType as WebAssemblyModule,
};
