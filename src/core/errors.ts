/**
 * The errors that Espalier throws on purpose. The message says what is wrong, where, what was found and what was expected.
 * The same facts are fields of `data`, so that a program can act on them without parsing text.
 */
import type { ErrorCode } from './errorCodes.ts';

/** Facts about an error. JSON-safe, so that a log can store all of them. */
export type ErrorData = Readonly<Record<string, unknown>>;

/** Base class of Espalier's errors. `message` is for people. */
export class EspalierError extends Error {
  // a literal, because minifiers rename classes
  override readonly name: string = 'EspalierError';
  readonly code: ErrorCode;
  readonly data: ErrorData;
  constructor(code: ErrorCode, message: string, data: ErrorData = {}, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.data = data;
  }
}

/** A file breaks its format: it is truncated, its sizes are wrong, or its content is not what its name says. */
export class FormatError extends EspalierError {
  declare readonly code: 'BAD_FORMAT';
  override readonly name = 'FormatError';
  /** @param file name of the file, @param problem rest of the message, @param data more facts: tensor, offset, expected, found … */
  constructor(file: string, problem: string, data: ErrorData = {}, options?: ErrorOptions) {
    super('BAD_FORMAT', `${file}: ${problem}`, { file, ...data }, options);
  }
}

/** A valid file or request needs a feature that Espalier does not have. `data.supported` lists the alternatives. */
export class UnsupportedError extends EspalierError {
  declare readonly code: 'UNSUPPORTED';
  override readonly name = 'UnsupportedError';
  constructor(what: string, found: string, supported: readonly string[] = [], data: ErrorData = {}) {
    const list = supported.length > 0 ? `; supported: ${supported.join(', ')}` : '';
    super('UNSUPPORTED', `${what} ${found} is not supported${list}`, { what, found, supported, ...data });
  }
}

/** An option's value is outside its allowed range. */
export class OptionError extends EspalierError {
  declare readonly code: 'BAD_OPTION';
  override readonly name = 'OptionError';
  constructor(option: string, found: unknown, expected: string) {
    super('BAD_OPTION', `${option} is ${String(found)}, expected ${expected}`, { option, found, expected });
  }
}

/** Not enough memory. `needed` and `available` are in bytes; `data.advice` says what to do and ends the message. */
export class MemoryError extends EspalierError {
  declare readonly code: 'OUT_OF_MEMORY';
  override readonly name = 'MemoryError';
  constructor(what: string, needed: number, available: number, data: ErrorData = {}) {
    const advice = typeof data.advice === 'string' ? `; ${data.advice}` : '';
    const message = `${what} needs ${grouped(needed)} bytes but ${grouped(available)} are available${advice}`;
    super('OUT_OF_MEMORY', message, { what, needed, available, ...data });
  }
}

/** The engine cannot run here. `data.reason` is 'content-security-policy', 'old-runtime', 'missing-features' or 'other'. */
export class StartError extends EspalierError {
  declare readonly code: 'CANNOT_START';
  override readonly name = 'StartError';
  constructor(problem: string, data: ErrorData = {}, options?: ErrorOptions) {
    super('CANNOT_START', problem, data, options);
  }
}

/** The prompt, or the prompt with its reply, is longer than the session's context. Both sizes are in tokens. */
export class ContextError extends EspalierError {
  declare readonly code: 'CONTEXT_FULL';
  override readonly name = 'ContextError';
  constructor(message: string, tokens: number, context: number) {
    super('CONTEXT_FULL', message, { tokens, context });
  }
}

/** Bytes could not be read: a missing file, an HTTP error status, a broken connection. */
export class SourceError extends EspalierError {
  declare readonly code: 'SOURCE_FAILED';
  override readonly name = 'SourceError';
  constructor(source: string, problem: string, data: ErrorData = {}, options?: ErrorOptions) {
    super('SOURCE_FAILED', `${source}: ${problem}`, { source, ...data }, options);
  }
}

/** Formats a number with thousands separators: 91226112 → "91,226,112". */
export function grouped(value: number | bigint): string {
  return value.toLocaleString('en-US');
}
