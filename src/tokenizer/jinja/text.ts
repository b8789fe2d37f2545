/** Strings as sequences of code points, as in Python. JavaScript's strings are UTF-16. */
import { type JinjaError, typeError, valueError } from './errors.ts';
import { spendText } from './limits.ts';
import { indexOf, type Slice, typeName, Undefined, type Value } from './values.ts';

/** Surrogate pair: a code point of two UTF-16 units. */
const PAIR = /[\ud800-\udbff][\udc00-\udfff]/;
/** Cache for long strings, so that a loop over the indices of a text takes linear time. */
const LONG = 256;
const KEPT = 4;
const kept = new Map<string, readonly string[] | undefined>();

/** Code points of a text with surrogate pairs; undefined for other texts. */
function pairedCodePoints(text: string): readonly string[] | undefined {
  if (text.length < LONG) return PAIR.test(text) ? Array.from(text) : undefined;
  if (kept.has(text)) return kept.get(text);
  spendText(text.length);
  const points = PAIR.test(text) ? Array.from(text) : undefined;
  if (kept.size >= KEPT) kept.delete(kept.keys().next().value as string);
  kept.set(text, points);
  return points;
}

/** Clears the cache after a rendering. */
export function forgetTexts(): void {
  kept.clear();
}

export function lengthOf(text: string): number {
  return pairedCodePoints(text)?.length ?? text.length;
}

/** @param index negative from the end @returns undefined if the index is out of range */
export function characterAt(text: string, index: number): string | undefined {
  const points = pairedCodePoints(text) ?? text;
  return points[index < 0 ? index + points.length : index];
}

/** Substring by code points. `start` and `end` are within 0 and the length. */
export function substring(text: string, start: number, end?: number): string {
  const points = pairedCodePoints(text);
  return points ? points.slice(start, end).join('') : text.slice(start, end);
}

export function sliceText(text: string, slice: Slice): string {
  const points = pairedCodePoints(text) ?? text;
  const { start, stop, step } = sliceIndices(slice, points.length);
  if (step === 1)
    return typeof points === 'string'
      ? points.slice(start, Math.max(start, stop))
      : points.slice(start, Math.max(start, stop)).join('');
  spendText(points.length);
  return picked(points, start, stop, step).join('');
}

export function sliceItems<T>(items: readonly T[], slice: Slice): T[] {
  const { start, stop, step } = sliceIndices(slice, items.length);
  spendText(items.length);
  return step === 1 ? items.slice(start, Math.max(start, stop)) : picked(items, start, stop, step);
}

function picked<T>(items: ArrayLike<T>, start: number, stop: number, step: number): T[] {
  const found: T[] = [];
  for (let i = start; step > 0 ? i < stop : i > stop; i += step) found.push(items[i]);
  return found;
}

/** Python's slice.indices(length). @throws {JinjaError} if the step is 0 or a bound is not an int */
export function sliceIndices(slice: Slice, length: number): { start: number; stop: number; step: number } {
  const step = slice.step === null ? 1 : sliceBound(slice.step);
  if (step === 0) throw valueError('slice step cannot be zero');
  const lowest = step < 0 ? -1 : 0;
  const highest = step < 0 ? length - 1 : length;
  const bound = (value: Value, absent: number): number => {
    if (value === null) return absent;
    const index = sliceBound(value);
    return index < 0 ? Math.max(index + length, lowest) : Math.min(index, highest);
  };
  return {
    start: bound(slice.start, step < 0 ? highest : lowest),
    stop: bound(slice.stop, step < 0 ? lowest : highest),
    step,
  };
}

function sliceBound(value: Value): number {
  // larger than any length
  if (typeof value === 'bigint') return value < 0n ? Number.MIN_SAFE_INTEGER : Number.MAX_SAFE_INTEGER;
  if (typeof value === 'number' || typeof value === 'boolean') return indexOf(value);
  if (value instanceof Undefined) throw typeError('slice indices must be integers or None or have an __index__ method');
  throw typeError(`slice indices must be integers or None or have an __index__ method, not ${typeName(value)}`);
}

/** Index in code points of an index in UTF-16 units. */
export function codePointIndex(text: string, unit: number): number {
  return unit < 0 || pairedCodePoints(text) === undefined ? unit : lengthOf(text.slice(0, unit));
}

/** Index in UTF-16 units of an index in code points. */
export function unitIndex(text: string, index: number): number {
  const points = pairedCodePoints(text);
  return points ? points.slice(0, index).join('').length : index;
}

/** Compares strings by code points, as Python does. @returns a negative number, 0 or a positive number */
export function compareText(a: string, b: string): number {
  if (a === b) return 0;
  const length = Math.min(a.length, b.length);
  spendText(length);
  for (let i = 0; i < length; i++) {
    const [x, y] = [a.charCodeAt(i), b.charCodeAt(i)];
    if (x !== y) return rank(x) - rank(y);
  }
  return a.length - b.length;
}

/** Surrogates are parts of code points above all others. */
function rank(unit: number): number {
  return unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit;
}

export function notFound(): JinjaError {
  return valueError('substring not found');
}
