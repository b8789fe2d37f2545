/** Numbers that the caller passes to a step: targets, row weights, a teacher's logits, optimizer settings, seeds. */
import { OptionError } from '../../core/errors.ts';
import { type Dim, type Graph, type Op, type Registers, rowsOf, type Value } from '../graph.ts';

export type InputKind = 'f32' | 'i32';

/** Numbers of an input in row order. An Int32Array for kind 'i32'. */
export type InputValues = Float32Array | Int32Array;

export interface InputAttributes {
  /** Key in the step's `inputs`. */
  readonly name: string;
  readonly kind: InputKind;
  readonly rows: Dim;
  readonly width: number;
  /** Tensor whose rows for the step's tokens are the values, see `storedRows`. Default: the values have another origin. */
  readonly table?: string;
}

export const inputOp: Op<InputAttributes> = {
  name: 'input',
  shape: (_, { rows, width }) => [rows, width],
  cost: () => ({ flops: 0, bytes: 0 }),
};

export function input(graph: Graph, name: string, rows: Dim, width: number, kind: InputKind): Value {
  return graph.add(inputOp, [], { name, kind, rows, width }, name);
}

export function isInput(value: Value): value is Value<InputAttributes> {
  return value.op.name === 'input';
}

/**
 * Returns the numbers of an input in one step.
 * @throws {OptionError} if they are missing, have the wrong array type, or are not rows · width numbers
 */
export function inputValues(
  { attributes: { name, kind, width }, shape }: Value<InputAttributes>,
  given: Readonly<Record<string, InputValues>> | undefined,
  registers: Registers,
): InputValues {
  const rows = rowsOf(shape, registers);
  const expected = `${kind === 'i32' ? 'an Int32Array' : 'a Float32Array'} of ${rows} × ${width}`;
  const values = given && Object.hasOwn(given, name) ? given[name] : undefined;
  if (!values) throw new OptionError(`inputs.${name}`, 'missing', expected);
  const fits = kind === 'i32' ? values instanceof Int32Array : values instanceof Float32Array;
  if (!fits) throw new OptionError(`inputs.${name}`, `a ${values.constructor.name}`, expected);
  if (values.length !== rows * width) throw new OptionError(`inputs.${name}`, `${values.length} numbers`, expected);
  return values;
}
