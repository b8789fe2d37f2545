/**
 * Serializes values between a page and its worker. Most are copied by structured clone. Functions, signals and API objects,
 * which cannot be cloned, are sent as numbers, and errors field by field.
 */
import type { ErrorCode } from '../core/errorCodes.ts';
import { EspalierError } from '../core/errors.ts';

/** A value as it is sent. */
export type Wire =
  | { readonly plain: unknown }
  | { readonly array: readonly Wire[] }
  | { readonly fields: Readonly<Record<string, Wire>> }
  | { readonly callback: number }
  | { readonly signal: number; readonly reason?: Wire }
  | { readonly object: RemoteReference }
  | { readonly error: WireError }
  /** Reason of a signal that the page sent. The page restores the identical object. */
  | { readonly reasonOf: number }
  | { readonly url: string }
  | { readonly response: ResponseParts };

/** An API object. Objects created by the page have odd numbers, those created by the worker even ones. */
export interface RemoteReference {
  readonly id: number;
  /** Names of its methods. */
  readonly methods: readonly string[];
  readonly snapshot: Snapshot;
}

/** Values of an object's fields and getters. */
export type Snapshot = Readonly<Record<string, Wire>>;

interface WireError {
  readonly name: string;
  readonly message: string;
  readonly stack?: string;
  readonly cause?: Wire;
  /** `code` of an EspalierError. */
  readonly code?: string;
  readonly data?: Readonly<Record<string, unknown>>;
}

interface ResponseParts {
  readonly body: ReadableStream<Uint8Array> | null;
  readonly url: string;
  readonly status: number;
  readonly headers: readonly (readonly [string, string])[];
}

/** Handlers for functions, signals and objects. Without a handler, the value is left to structured clone. */
export interface Encoder {
  readonly callback?: (value: (...args: unknown[]) => unknown) => number;
  readonly signal?: (value: AbortSignal) => number;
  readonly object?: (value: object) => RemoteReference | undefined;
  readonly reasonOf?: (error: unknown) => number | undefined;
  /** Receives the streams, which are transferred and not copied. */
  readonly transfer?: Transferable[];
}

export interface Decoder {
  readonly callback?: (id: number) => (...args: unknown[]) => unknown;
  readonly signal?: (id: number, aborted: boolean, reason: unknown) => AbortSignal;
  readonly object?: (reference: RemoteReference) => unknown;
  readonly reasonOf?: (id: number) => unknown;
  /** Error classes by name. */
  readonly errors?: ReadonlyMap<string, typeof EspalierError>;
}

export function encode(value: unknown, encoder: Encoder): Wire {
  if (typeof value === 'function') {
    if (encoder.callback) return { callback: encoder.callback(value as (...args: unknown[]) => unknown) };
    throw new EspalierError('BUG', 'a function cannot be sent to the page');
  }
  if (typeof value !== 'object' || value === null) return { plain: value };
  if (ArrayBuffer.isView(value)) return { plain: ownBytes(value) };
  const reasonOf = encoder.reasonOf?.(value);
  if (reasonOf !== undefined) return { reasonOf };
  if (value instanceof Error) return encodeError(value, encoder);
  if (value instanceof URL) return { url: value.href };
  if (encoder.signal && value instanceof AbortSignal) {
    const signal = encoder.signal(value);
    return value.aborted ? { signal, reason: encode(value.reason, { ...encoder, reasonOf: undefined }) } : { signal };
  }
  if (typeof Response !== 'undefined' && value instanceof Response) return encodeResponse(value, encoder);
  if (typeof ReadableStream !== 'undefined' && value instanceof ReadableStream) encoder.transfer?.push(value);
  const object = encoder.object?.(value);
  if (object) return { object };
  if (Array.isArray(value)) return encodeArray(value, encoder);
  const prototype = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null ? encodeFields(value, encoder) : { plain: value };
}

/** Copies a view of part of a buffer, or of a shared one: cloning would copy the whole buffer, or share it. */
function ownBytes(view: ArrayBufferView): ArrayBufferView {
  const isShared = typeof SharedArrayBuffer !== 'undefined' && view.buffer instanceof SharedArrayBuffer;
  if ((view.byteLength === view.buffer.byteLength && !isShared) || view instanceof DataView) return view;
  return (view as Uint8Array).slice();
}

/** Returns the array itself if all of its elements are plain. */
function encodeArray(values: readonly unknown[], encoder: Encoder): Wire {
  // fast path for token ids
  if (values.every((value) => typeof value === 'number')) return { plain: values };
  const array = values.map((value) => encode(value, encoder));
  return array.every((entry) => 'plain' in entry) ? { plain: values } : { array };
}

function encodeFields(value: object, encoder: Encoder): Wire {
  const fields = Object.fromEntries(Object.entries(value).map(([name, entry]) => [name, encode(entry, encoder)]));
  return Object.values(fields).every((entry) => 'plain' in entry) ? { plain: value } : { fields };
}

function encodeError(error: Error, encoder: Encoder): Wire {
  if (typeof DOMException !== 'undefined' && error instanceof DOMException) return { plain: error };
  const { name, message, stack } = error;
  const wire: WireError = {
    name,
    message,
    ...(stack !== undefined && { stack }),
    ...(error.cause !== undefined && { cause: encode(error.cause, encoder) }),
    ...(error instanceof EspalierError && { code: error.code, data: error.data }),
  };
  return { error: wire };
}

function encodeResponse(response: Response, encoder: Encoder): Wire {
  if (response.body) encoder.transfer?.push(response.body);
  const { body, url, status, headers } = response;
  return { response: { body, url, status, headers: [...headers] } };
}

export function decode(wire: Wire, decoder: Decoder): unknown {
  if ('plain' in wire) return wire.plain;
  if ('array' in wire) return wire.array.map((entry) => decode(entry, decoder));
  if ('fields' in wire)
    return Object.fromEntries(Object.entries(wire.fields).map(([name, entry]) => [name, decode(entry, decoder)]));
  if ('callback' in wire) return decoder.callback!(wire.callback);
  if ('signal' in wire)
    return decoder.signal!(wire.signal, wire.reason !== undefined, wire.reason && decode(wire.reason, decoder));
  if ('object' in wire) return decoder.object!(wire.object);
  if ('reasonOf' in wire) return decoder.reasonOf!(wire.reasonOf);
  if ('url' in wire) return new URL(wire.url);
  if ('response' in wire) return decodeResponse(wire.response);
  return decodeError(wire.error, decoder);
}

function decodeResponse({ body, url, status, headers }: ResponseParts): Response {
  const response = new Response(body, {
    status,
    headers: headers.map(([name, value]): [string, string] => [name, value]),
  });
  return Object.defineProperty(response, 'url', { value: url });
}

const nativeErrors = { Error, EvalError, RangeError, ReferenceError, SyntaxError, TypeError } as const;

function decodeError({ name, message, stack, cause, code, data }: WireError, decoder: Decoder): Error {
  const options = cause === undefined ? undefined : { cause: decode(cause, decoder) };
  const error =
    code === undefined
      ? new (nativeErrors[name as keyof typeof nativeErrors] ?? Error)(message, options)
      : new EspalierError(code as ErrorCode, message, data, options);
  const type = decoder.errors?.get(name);
  if (type) Object.setPrototypeOf(error, type.prototype);
  if (error.name !== name) Object.defineProperty(error, 'name', { value: name, configurable: true });
  if (stack !== undefined) Object.defineProperty(error, 'stack', { value: stack, configurable: true, writable: true });
  return error;
}
