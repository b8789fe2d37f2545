/** Macros, and the bodies of `call` blocks, as values that can be called. */
import { typeError } from './errors.ts';
import { nested } from './limits.ts';
import { type Arguments, Dict, PyObject, Tuple, Undefined, type Value } from './values.ts';

export interface MacroDefinition {
  /** Absent for the body of a `call` block. */
  readonly name?: string;
  readonly parameters: readonly string[];
  /** The body reads `kwargs`, `varargs` or `caller` without declaring them. */
  readonly takesNamed: boolean;
  readonly takesRest: boolean;
  readonly takesCaller: boolean;
  /** Renders the body. Missing parameters are undefined. `caller`, `kwargs` and `varargs` follow the declared ones. */
  readonly render: (values: readonly (Value | undefined)[]) => Value;
}

export class Macro extends PyObject {
  readonly typeName = 'Macro';
  readonly #definition: MacroDefinition;

  constructor(definition: MacroDefinition) {
    super();
    this.#definition = definition;
  }

  override repr(): string {
    const { name } = this.#definition;
    return `<Macro ${name === undefined ? 'anonymous' : `'${name}'`}>`;
  }

  override attribute(attribute: string): Value | undefined {
    const { name, parameters, takesNamed, takesRest, takesCaller } = this.#definition;
    switch (attribute) {
      case 'name':
        return name ?? null;
      case 'arguments':
        return new Tuple([...parameters]);
      case 'catch_kwargs':
        return takesNamed;
      case 'catch_varargs':
        return takesRest;
      case 'caller':
        return takesCaller;
      case 'explicit_caller':
        return parameters.includes('caller');
      default:
        return undefined;
    }
  }

  override call({ positional, named }: Arguments): Value {
    const { parameters, takesNamed, takesRest, takesCaller, render } = this.#definition;
    const name = this.#definition.name === undefined ? 'None' : `'${this.#definition.name}'`;
    const left = new Map(named);
    const values: (Value | undefined)[] = positional.slice(0, parameters.length);
    let foundCaller = values.length === parameters.length && parameters.includes('caller');
    for (const parameter of parameters.slice(values.length)) {
      if (parameter === 'caller') foundCaller = true;
      values.push(left.get(parameter));
      left.delete(parameter);
    }
    if (takesCaller && !foundCaller) {
      const caller = left.get('caller') ?? null;
      values.push(caller === null ? new Undefined(() => 'No caller defined') : caller);
      left.delete('caller');
    }
    if (takesNamed) values.push(new Dict(left));
    else if (left.has('caller'))
      throw typeError(
        `macro ${name} was invoked with two values for the special caller argument. This is most likely a bug.`,
      );
    else if (left.size > 0) throw typeError(`macro ${name} takes no keyword argument '${[...left.keys()][0]}'`);
    if (takesRest) values.push(new Tuple(positional.slice(parameters.length)));
    else if (positional.length > parameters.length)
      throw typeError(`macro ${name} takes not more than ${parameters.length} argument(s)`);
    return nested(() => render(values));
  }
}
