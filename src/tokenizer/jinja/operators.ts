/** Python's binary and unary operators on all types. */
import { typeError } from './errors.ts';
import { formatPercent } from './format/percent.ts';
import { escapeHtml } from './html.ts';
import { checkLength, spend } from './limits.ts';
import { arithmetic, isNumber, type Operator } from './numbers.ts';
import { Bytes, Float, indexOf, isInt, isString, Markup, Tuple, typeName, Undefined, type Value } from './values.ts';

export function binary(operator: Operator, left: Value, right: Value): Value {
  if (typeof left === 'string' && typeof right === 'string' && operator === '+') return joinedText(left, right);
  if (isNumber(left) && isNumber(right)) return arithmetic(operator, left, right);
  if (left instanceof Undefined) throw left.error();
  const result =
    operator === '+'
      ? sum(left, right)
      : operator === '*'
        ? product(left, right)
        : operator === '%' && isString(left)
          ? formatted(left, right)
          : undefined;
  if (result !== undefined) return result;
  if (right instanceof Undefined) throw right.error();
  if (operator === '+' && isString(left)) throw typeError(`can only concatenate str (not "${typeName(right)}") to str`);
  throw typeError(`unsupported operand type(s) for ${operator}: '${typeName(left)}' and '${typeName(right)}'`);
}

function sum(left: Value, right: Value): Value | undefined {
  if (isString(left) && isString(right)) return new Markup(joinedText(escapeHtml(left), escapeHtml(right)));
  if (Array.isArray(left) && Array.isArray(right)) return joinedItems(left, right);
  if (left instanceof Tuple && right instanceof Tuple) return new Tuple(joinedItems(left.items, right.items));
  if (left instanceof Bytes && right instanceof Bytes) return new Bytes(Uint8Array.of(...left.value, ...right.value));
  return undefined;
}

function joinedText(left: string, right: string): string {
  checkLength(left.length + right.length);
  return left + right;
}

function joinedItems(left: readonly Value[], right: readonly Value[]): Value[] {
  checkLength(left.length + right.length);
  spend((left.length + right.length) >> 3);
  return [...left, ...right];
}

/** Repeats a sequence. */
function product(left: Value, right: Value): Value | undefined {
  const [sequence, count] = isInt(left) ? [right, left] : [left, right];
  if (!isInt(count)) return undefined;
  const times = Math.max(0, typeof count === 'bigint' && count < 0n ? 0 : indexOf(count));
  if (typeof sequence === 'string') return repeatedText(sequence, times);
  if (sequence instanceof Markup) return new Markup(repeatedText(sequence.value, times));
  if (Array.isArray(sequence)) return repeatedItems(sequence, times);
  if (sequence instanceof Tuple) return new Tuple(repeatedItems(sequence.items, times));
  return undefined;
}

function repeatedText(text: string, times: number): string {
  checkLength(text.length * times);
  spend((text.length * times) >> 5);
  return text === '' ? '' : text.repeat(times);
}

function repeatedItems(items: readonly Value[], times: number): Value[] {
  checkLength(items.length * times);
  spend(items.length * times);
  return items.length === 0 ? [] : (Array.from({ length: times }, () => items).flat(1) as Value[]);
}

function formatted(format: string | Markup, values: Value): Value {
  if (typeof format === 'string') return formatPercent(format, values);
  return new Markup(formatPercent(format.value, values, escapeHtml));
}

export function signed(operator: '+' | '-', value: Value): Value {
  if (value instanceof Undefined) throw value.error();
  if (!isNumber(value)) throw typeError(`bad operand type for unary ${operator}: '${typeName(value)}'`);
  if (value instanceof Float) return operator === '-' ? new Float(-value.value) : value;
  const zero: Value = 0;
  return arithmetic(operator, zero, value);
}
