/** The syntax tree of a template. */
import type { Value } from './values.ts';

export type Expression =
  | { readonly type: 'constant'; readonly value: Value; readonly line: number }
  /** `store` and `parameter` are targets of assignments. */
  | { readonly type: 'name'; readonly name: string; context: 'load' | 'store' | 'parameter'; readonly line: number }
  /** `name.attribute` as the target of an assignment. */
  | { readonly type: 'namespaceReference'; readonly name: string; readonly attribute: string; readonly line: number }
  | { readonly type: 'tuple'; readonly items: readonly Expression[]; readonly line: number }
  | { readonly type: 'list'; readonly items: readonly Expression[]; readonly line: number }
  | { readonly type: 'dict'; readonly items: readonly (readonly [Expression, Expression])[]; readonly line: number }
  | {
      readonly type: 'conditional';
      readonly test: Expression;
      readonly then: Expression;
      readonly otherwise?: Expression;
      readonly line: number;
    }
  | {
      readonly type: 'logical';
      readonly operator: 'and' | 'or';
      readonly left: Expression;
      readonly right: Expression;
      readonly line: number;
    }
  | { readonly type: 'not'; readonly operand: Expression; readonly line: number }
  | { readonly type: 'sign'; readonly operator: '+' | '-'; readonly operand: Expression; readonly line: number }
  | {
      readonly type: 'binary';
      readonly operator: '+' | '-' | '*' | '/' | '//' | '%' | '**';
      readonly left: Expression;
      readonly right: Expression;
      readonly line: number;
    }
  | { readonly type: 'concatenation'; readonly parts: readonly Expression[]; readonly line: number }
  | {
      readonly type: 'comparison';
      readonly first: Expression;
      readonly others: readonly Operand[];
      readonly line: number;
    }
  | { readonly type: 'attribute'; readonly object: Expression; readonly name: string; readonly line: number }
  | { readonly type: 'item'; readonly object: Expression; readonly index: Expression; readonly line: number }
  | {
      readonly type: 'slice';
      readonly start?: Expression;
      readonly stop?: Expression;
      readonly step?: Expression;
      readonly line: number;
    }
  | Call
  | Filter
  | ({
      readonly type: 'test';
      readonly operand: Expression;
      readonly name: string;
      readonly line: number;
    } & CallArguments);

export type Call = { readonly type: 'call'; readonly callee: Expression; readonly line: number } & CallArguments;

/** A filter. Without an operand, it filters the text of a block. */
export type Filter = {
  readonly type: 'filter';
  readonly operand?: Expression;
  readonly name: string;
  readonly line: number;
} & CallArguments;

export type ComparisonOperator = '==' | '!=' | '<' | '<=' | '>' | '>=' | 'in' | 'not in';

export interface Operand {
  readonly operator: ComparisonOperator;
  readonly operand: Expression;
}

export interface CallArguments {
  readonly positional: readonly Expression[];
  readonly named: readonly (readonly [name: string, value: Expression])[];
  /** `*rest` */
  readonly rest?: Expression;
  /** `**options` */
  readonly options?: Expression;
}

export interface Parameters {
  readonly parameters: readonly Expression[];
  /** Default values of the last parameters. */
  readonly defaults: readonly Expression[];
}

export type Statement =
  /** Text of the template itself. */
  | { readonly type: 'output'; readonly parts: readonly (string | Expression)[]; readonly line: number }
  | {
      readonly type: 'for';
      readonly target: Expression;
      readonly iterable: Expression;
      readonly test?: Expression;
      readonly recursive: boolean;
      readonly body: readonly Statement[];
      readonly otherwise: readonly Statement[];
      readonly line: number;
    }
  | {
      readonly type: 'if';
      readonly branches: readonly Branch[];
      readonly otherwise: readonly Statement[];
      readonly line: number;
    }
  | { readonly type: 'set'; readonly target: Expression; readonly value: Expression; readonly line: number }
  | {
      readonly type: 'setBlock';
      readonly target: Expression;
      readonly filter?: Filter;
      readonly body: readonly Statement[];
      readonly line: number;
    }
  | ({
      readonly type: 'macro';
      readonly name: string;
      readonly body: readonly Statement[];
      readonly line: number;
    } & Parameters)
  | ({
      readonly type: 'callBlock';
      readonly call: Call;
      readonly body: readonly Statement[];
      readonly line: number;
    } & Parameters)
  | {
      readonly type: 'filterBlock';
      readonly filter: Filter;
      readonly body: readonly Statement[];
      readonly line: number;
    }
  | {
      readonly type: 'with';
      readonly targets: readonly Expression[];
      readonly values: readonly Expression[];
      readonly body: readonly Statement[];
      readonly line: number;
    }
  | {
      readonly type: 'autoescape';
      readonly enabled: Expression;
      readonly body: readonly Statement[];
      readonly line: number;
    }
  | {
      readonly type: 'block';
      readonly name: string;
      readonly scoped: boolean;
      readonly required: boolean;
      readonly body: readonly Statement[];
      readonly line: number;
    }
  | { readonly type: 'break' | 'continue'; readonly line: number }
  /** include, import, from and extends: they need files, which templates have no access to. */
  | {
      readonly type: 'otherTemplate';
      readonly template: Expression;
      readonly stores: readonly string[];
      readonly line: number;
    };

export interface Branch {
  readonly test: Expression;
  readonly body: readonly Statement[];
}
