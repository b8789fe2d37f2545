/** Targets of assignments: names, tuples of them, attributes of namespaces. */
import { JinjaError, valueError } from './errors.ts';
import type { Activation, Frame } from './frame.ts';
import { Namespace } from './globals.ts';
import { iterateForward } from './iterate.ts';
import type { Expression } from './nodes.ts';
import { Undefined, type Value } from './values.ts';

export interface Target {
  /** @throws {JinjaError} if an attribute of something else than a namespace would be set */
  check(activation: Activation): void;
  store(activation: Activation, value: Value): void;
}

export function compileTarget(node: Expression, frame: Frame): Target {
  switch (node.type) {
    case 'name': {
      const { name } = node;
      const { slot } = frame.symbols.reference(name);
      const { toplevel } = frame;
      return {
        check: () => undefined,
        store: ({ slots, context }, value) => {
          slots[slot] = value;
          if (toplevel) context.assigned.set(name, value);
        },
      };
    }
    case 'namespaceReference': {
      const object = frame.variable(node.name);
      const { attribute } = node;
      const namespace = (activation: Activation): Namespace => {
        const found = object(activation);
        if (found instanceof Namespace) return found;
        throw new JinjaError('TemplateRuntimeError', 'cannot assign attribute on non-namespace object');
      };
      return {
        check: (activation) => void namespace(activation),
        store: (activation, value) => namespace(activation).set(attribute, value),
      };
    }
    case 'tuple': {
      const targets = node.items.map((item) => compileTarget(item, frame));
      return {
        check: (activation) => {
          for (const target of targets) target.check(activation);
        },
        store: (activation, value) => {
          const values = unpacked(value, targets.length);
          targets.forEach((target, i) => {
            target.store(activation, values[i]);
          });
        },
      };
    }
    default:
      throw new Error(`${node.type} is no target`);
  }
}

/** @throws {JinjaError} ValueError for another number of elements */
function unpacked(value: Value, count: number): Value[] {
  const values: Value[] = [];
  if (value instanceof Undefined && count > 0)
    throw valueError(`not enough values to unpack (expected ${count}, got 0)`);
  for (const element of iterateForward(value)) {
    if (values.length === count) throw valueError(`too many values to unpack (expected ${count})`);
    values.push(element);
  }
  if (values.length < count) throw valueError(`not enough values to unpack (expected ${count}, got ${values.length})`);
  return values;
}
