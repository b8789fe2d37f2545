/** Mixtures of experts: choices, products of each form of activations, weighted sums. */
import { combine } from '../../../src/graph/ops/combine.ts';
import { expertLinear } from '../../../src/graph/ops/expertLinear.ts';
import { type RouteAttributes, route } from '../../../src/graph/ops/route.ts';
import { scaleGroups } from '../../../src/graph/ops/scaleGroups.ts';
import { formatByName } from '../../../src/tensor/formats.ts';
import { type Case, everyLength, sequences } from '../case.ts';
import type { TestGraph } from '../testGraph.ts';

/** Also more tokens than the kernels gather at a time for one expert. */
const steps = [...everyLength, ...sequences];

const plain: RouteAttributes = {
  used: 2,
  gating: 'softmax',
  normalize: false,
  scale: 1,
  groups: 1,
  usedGroups: 1,
};

function routeCase(name: string, experts: number, attributes: Partial<RouteAttributes>, biased = false): Case {
  return {
    name: `route, ${name}`,
    arithmetic: 'functions',
    steps,
    build(test) {
      const bias = biased ? test.floats(1, experts) : undefined;
      test.output('y', route(test.rows(experts), bias, { ...plain, ...attributes }));
    },
  };
}

const routes = [
  routeCase('2 of 5 experts', 5, {}),
  routeCase('all of 3 experts', 3, { used: 3 }),
  routeCase('1 of 1', 1, { used: 1 }),
  routeCase('8 of 64, normalized and scaled', 64, { used: 8, normalize: true, scale: 2.5 }),
  routeCase('sigmoid, biased choice', 16, { used: 4, gating: 'sigmoid', normalize: true }, true),
  routeCase('softmax of the chosen', 32, { used: 4, gating: 'softmaxOfChosen' }),
  routeCase('groups', 24, { used: 3, groups: 6, usedGroups: 2, gating: 'sigmoid' }, true),
  routeCase('groups of one', 4, { used: 2, groups: 4, usedGroups: 3 }),
];

interface Product {
  readonly format: string;
  readonly experts: number;
  readonly used: number;
  readonly outputs: number;
  readonly columns: number;
  readonly bias?: boolean;
  readonly own?: boolean;
  readonly factors?: boolean;
}

function productCase(plan: Product): Case {
  const { format, experts, used, outputs, columns, bias = false, own = false, factors = false } = plan;
  const exact = ['F32', 'F16', 'BF16'].includes(format);
  const most = ['Q8_0', 'IQ4_NL', 'IQ4_XS'].includes(format) ? 32767 : 127;
  const shape = `${used} of ${experts} experts of ${outputs} × ${columns}`;
  return {
    name: `expertLinear in ${format}, ${shape}${bias ? ', biased' : ''}${own ? ', own inputs' : ''}${factors ? ', factors' : ''}`,
    arithmetic: exact ? 'layers' : 'steps',
    steps,
    build(test: TestGraph) {
      const width = own ? used * columns : columns;
      const x = exact ? test.rows(width) : test.wholeRows(width, most);
      const choice = route(test.rows(experts), undefined, { ...plain, used });
      const matrix = exact
        ? test.floats(experts * outputs, columns)
        : test.blocks(formatByName(format), experts * outputs, columns);
      const extra = {
        bias: bias ? test.floats(experts, outputs) : undefined,
        factors: factors ? test.floats(1, experts) : undefined,
      };
      test.output('y', expertLinear(x, choice, matrix, experts, undefined, extra));
    },
  };
}

const products = [
  ...['F32', 'Q4_0', 'Q8_0', 'Q4_K', 'Q6_K', 'Q2_K', 'MXFP4'].map((format) => ({
    format,
    experts: 6,
    used: 2,
    outputs: 40,
    columns: 256,
  })),
  { format: 'Q4_0', experts: 3, used: 3, outputs: 32, columns: 64, own: true, bias: true },
  { format: 'Q8_0', experts: 4, used: 1, outputs: 8, columns: 32, own: true },
  { format: 'F32', experts: 5, used: 2, outputs: 48, columns: 24, own: true, bias: true },
  // rows that do not begin at a group of 8
  { format: 'F32', experts: 5, used: 3, outputs: 13, columns: 20, bias: true },
  { format: 'Q4_0', experts: 4, used: 2, outputs: 3, columns: 32 },
  { format: 'F32', experts: 4, used: 2, outputs: 12, columns: 16, factors: true },
  { format: 'Q8_0', experts: 3, used: 2, outputs: 16, columns: 32, factors: true },
  // several pieces of work per expert
  { format: 'F32', experts: 2, used: 1, outputs: 1300, columns: 16 },
].map(productCase);

const sums = [
  [1, 5],
  [4, 64],
  [3, 300],
].flatMap(([groups, width]): Case[] => [
  {
    name: `combine, ${groups} groups of ${width}`,
    arithmetic: 'sums',
    steps,
    build: (test) =>
      test.output('y', combine(test.rows(groups * width), test.rows(groups + 2), { groups: groups, from: 2 })),
  },
  {
    name: `scaleGroups, ${groups} groups of ${width}`,
    arithmetic: 'sums',
    steps,
    build: (test) => test.output('y', scaleGroups(test.rows(groups * width), test.rows(groups))),
  },
]);

export const expertCases: readonly Case[] = [...routes, ...products, ...sums];
