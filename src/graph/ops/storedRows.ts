/**
 * Rows of a table that is not in memory: y[t] = table[ids[t]], [T, D], as `embed` computes them. It is an input of the graph:
 * whoever runs the program reads the rows of a step's tokens and passes them.
 */
import { type Graph, isWeight, type Value, type WeightAttributes } from '../graph.ts';
import { embedOp } from './embed.ts';
import { inputOp, isInput } from './input.ts';
import { isTokens } from './tokens.ts';

export function storedRows(table: Value<WeightAttributes>, label = 'stored_rows'): Value {
  const { tensor } = table.attributes;
  const attributes = {
    name: `rows of ${tensor}`,
    kind: 'f32',
    rows: 'T',
    width: table.shape[1],
    table: tensor,
  } as const;
  return table.graph.add(inputOp, [], attributes, label);
}

/** The tables of a graph's `storedRows`, by the name of the input that takes their rows. */
export function storedTables({ nodes }: Graph): Map<string, Value<WeightAttributes>> {
  const tables = new Map<string, Value<WeightAttributes>>();
  for (const node of nodes) {
    if (!isInput(node) || node.attributes.table === undefined) continue;
    const table = nodes.find((other) => isWeight(other) && other.attributes.tensor === node.attributes.table);
    tables.set(node.attributes.name, table as Value<WeightAttributes>);
  }
  return tables;
}

/** The table that the ids of tokens are looked up in, in memory or not. Undefined if the graph takes no tokens. */
export function tokenTable(graph: Graph): Value | undefined {
  const lookup = graph.nodes.find(({ op, inputs }) => op === embedOp && isTokens(inputs[1]));
  const [table = lookup?.inputs[0]] = storedTables(graph).values();
  return table;
}

/** Weights of which a step reads nothing but the rows of its tokens, so that they need not be in memory. */
export function lookupTables(graph: Graph): Value<WeightAttributes>[] {
  const nodes = graph.live();
  const isLookup = ({ op, inputs }: Value, table: Value): boolean =>
    op === embedOp && inputs[0] === table && isTokens(inputs[1]);
  return nodes
    .filter(isWeight)
    .filter((table) => nodes.every((node) => !node.inputs.includes(table) || isLookup(node, table)));
}
