/**
 * Every error Espalier throws on purpose. Each says what, where, got and expected in its message and carries
 * the same facts as fields in `data`, so that a program can act on them without parsing text.
 */

/** Facts that an error carries; JSON-safe so that logs lose nothing. */
export type ErrorData = Readonly<Record<string, unknown>>;

/** Base of all of them: `code` is stable across versions, `message` is for people. */
export class EspalierError extends Error {
  // said in full, as minifiers rename classes
  override readonly name: string = 'EspalierError';
  readonly code: string;
  readonly data: ErrorData;
  constructor(code: string, message: string, data: ErrorData = {}, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
    this.data = data;
  }
}

/** A file breaks its format: truncated, lying about its sizes, or not what its name says. */
export class FormatError extends EspalierError {
  override readonly name = 'FormatError';
  /** @param file what was read, @param problem the rest of the sentence, @param data tensor, offset, expected, found … */
  constructor(file: string, problem: string, data: ErrorData = {}, options?: ErrorOptions) {
    super('BAD_FORMAT', `${file}: ${problem}`, { file, ...data }, options);
  }
}

/** A valid file or request asks for something that Espalier does not have; `data.supported` lists what it has. */
export class UnsupportedError extends EspalierError {
  override readonly name = 'UnsupportedError';
  constructor(what: string, found: string, supported: readonly string[] = [], data: ErrorData = {}) {
    const list = supported.length > 0 ? `; supported: ${supported.join(', ')}` : '';
    super('UNSUPPORTED', `${what} ${found} is not supported${list}`, { what, found, supported, ...data });
  }
}

/** An option has a value outside what it takes. */
export class OptionError extends EspalierError {
  override readonly name = 'OptionError';
  constructor(option: string, found: unknown, expected: string) {
    super('BAD_OPTION', `${option} is ${String(found)}, expected ${expected}`, { option, found, expected });
  }
}

/** Something would need more memory than there is. Bytes. */
export class MemoryError extends EspalierError {
  override readonly name = 'MemoryError';
  constructor(what: string, needed: number, available: number, data: ErrorData = {}) {
    super('OUT_OF_MEMORY', `${what} needs ${grouped(needed)} bytes but ${grouped(available)} are available`, {
      what,
      needed,
      available,
      ...data,
    });
  }
}

/** A prompt, or a prompt and its reply, is longer than the session's context. Tokens. */
export class ContextError extends EspalierError {
  override readonly name = 'ContextError';
  constructor(message: string, tokens: number, context: number) {
    super('CONTEXT_FULL', message, { tokens, context });
  }
}

/** Bytes could not be had: a missing file, an HTTP status, a connection that broke. */
export class SourceError extends EspalierError {
  override readonly name = 'SourceError';
  constructor(source: string, problem: string, data: ErrorData = {}, options?: ErrorOptions) {
    super('SOURCE_FAILED', `${source}: ${problem}`, { source, ...data }, options);
  }
}

/** A number for people, with thousands separators: 91226112 → "91,226,112". */
export function grouped(value: number | bigint): string {
  return value.toLocaleString('en-US');
}
