/** Errors of the engine, by the names that they have in Python. */

export type ErrorType =
  | 'TemplateSyntaxError'
  | 'TemplateAssertionError'
  | 'TemplateError'
  | 'TemplateRuntimeError'
  | 'UndefinedError'
  | 'SecurityError'
  | 'FilterArgumentError'
  | 'TypeError'
  | 'ValueError'
  | 'KeyError'
  | 'IndexError'
  | 'OverflowError'
  | 'ZeroDivisionError'
  | 'RecursionError'
  | 'LimitError';

/** A template that cannot be compiled or rendered. `type` is the name of Python's exception in the same case. */
export class JinjaError extends Error {
  override readonly name = 'JinjaError';
  readonly type: ErrorType;
  /** Line of the template's source, counted from 1. */
  line: number | undefined;

  constructor(type: ErrorType, message: string, line?: number) {
    super(message);
    this.type = type;
    this.line = line;
  }
}

export const typeError = (message: string): JinjaError => new JinjaError('TypeError', message);
export const valueError = (message: string): JinjaError => new JinjaError('ValueError', message);
