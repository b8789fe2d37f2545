/** Turns the nodes of a graph into commands, with the lowering of each op. */
import { UnsupportedError } from '../../core/errors.ts';
import { cacheSlots, type Graph, isWeight, type StateLayout, stateLayout, type Value } from '../../graph/graph.ts';
import type { InputAttributes } from '../../graph/ops/input.ts';
import type { Limits } from '../../graph/program.ts';
import { checkSlots } from '../../graph/segment.ts';
import { formatParts } from './built/catalog.ts';
import { Emitter, type Region } from './emitter.ts';
import type { Lowering, LoweringContext, StepInputs } from './lowering.ts';
import type { KernelExports, KernelModules, KernelPart } from './module.ts';
import * as attention from './ops/attention.ts';
import * as dropout from './ops/dropout.ts';
import * as elementwise from './ops/elementwise.ts';
import * as elementwiseGradients from './ops/elementwiseGradients.ts';
import * as embed from './ops/embed.ts';
import * as experts from './ops/experts.ts';
import * as linear from './ops/linear.ts';
import * as linearGradients from './ops/linearGradients.ts';
import * as loss from './ops/loss.ts';
import * as norm from './ops/norm.ts';
import * as normGradients from './ops/normGradients.ts';
import * as recurrences from './ops/recurrences.ts';
import * as rope from './ops/rope.ts';
import * as rows from './ops/rows.ts';
import * as shortConv from './ops/shortConv.ts';
import * as update from './ops/update.ts';
import { filledHead } from './pages.ts';
import { Weights } from './placedWeights.ts';

/** Lowerings of ops whose kernels are in the part 'training'. */
const training = { ...dropout, ...elementwiseGradients, ...linearGradients, ...loss, ...normGradients, ...update };

// lowerings are found by op name, so each lowering gets the attributes of its own op
const lowerings = {
  ...attention,
  ...elementwise,
  ...embed,
  ...experts,
  ...linear,
  ...norm,
  ...recurrences,
  ...rope,
  ...rows,
  ...shortConv,
  ...training,
} as Readonly<Record<string, unknown>> as Readonly<Record<string, Lowering<unknown>>>;

/** Parts of the kernels that nodes need in addition to the core. Formats without kernels are refused later, by name. */
export function partsFor(nodes: readonly Value[]): Set<KernelPart> {
  const parts = new Set<KernelPart>();
  for (const node of nodes) {
    const format = isWeight(node) ? node.attributes.format.name : undefined;
    if (format !== undefined && format in formatParts) parts.add(formatParts[format as keyof typeof formatParts]);
    if (node.op.name in recurrences) parts.add('recurrent');
    // gradients multiply in F32
    if (node.op.name in training) parts.add('training').add(formatParts.F32);
  }
  return parts;
}

/** Bytes per element of quantized activations: its code, and its share of the scales of 32 columns. */
const bytesPerElement = {
  int8: { codes: 1, scales: 12 / 32 },
  int8Parts: { codes: 1, scales: 24 / 32 },
  int16: { codes: 2, scales: 4 / 32 },
};

/** Number of key elements per position of each layer. */
export type LayerWidths = readonly number[];

/** The program whose weights, pages and inputs a derived one shares. */
export interface FirstProgram {
  readonly weights: Weights;
  readonly layers: LayerWidths;
  readonly recurrent: StateLayout;
  readonly inputs: StepInputs;
}

export function lower(
  graph: Graph,
  nodes: readonly Value[],
  kernels: KernelModules,
  exports: KernelExports,
  options: Limits,
  first?: FirstProgram,
) {
  const emitter = new Emitter(kernels, nodes, new Set([...graph.outputs.values(), ...graph.cuts.values()]), options);
  const weights = new Weights(kernels, exports, emitter, first?.weights);
  const layers: number[] = [...(first?.layers ?? [])];
  const recurrent = first?.recurrent ?? stateLayout(nodes);
  if (first) checkSlots(nodes, layers, recurrent, filledHead);
  for (const { layer, heads, headSize } of cacheSlots(nodes)) {
    // layers that no output needs get no space
    while (layers.length < layer) layers.push(0);
    layers[layer] = heads * filledHead(headSize);
  }
  const caches = layers.map((_, layer) => emitter.fixed(0, `cache ${layer}`));
  const recurrentRegions = new Map(
    [...recurrent.slots.keys()].map((layer) => [layer, emitter.fixed(0, `state ${layer}`)]),
  );
  // layers share no memory of caches and states; these addresses only distinguish them
  for (const [i, region] of [...caches, ...recurrentRegions.values()].entries()) region.address = -(i + 1) * 1024;
  const inputs = first?.inputs ?? {
    tokens: emitter.fixed(options.maxTokens * 4, 'tokens'),
    positions: emitter.fixed(options.maxTokens * 4, 'positions'),
    pages: emitter.fixed(options.maxTokens * 4, 'pages of tokens'),
    selected: emitter.fixed(options.maxRows * 4, 'wanted rows'),
  };
  const forms = new Map<string, { codes: Region; scales: Region }>();
  const states = new Map<Value, Region>();
  const given = new Map<Value<InputAttributes>, Region>();
  const made = new Map<string, unknown>();
  const context: LoweringContext = {
    emitter,
    weights,
    inputs,
    exports,
    kept: (node) => (isWeight(node) ? weights.kept(node) : { region: regionOf(states, node), packed: false }),
    given: (node) => regionOf(given as Map<Value, Region>, node),
    derived<T>(name: string, make: () => T): T {
      if (!made.has(name)) made.set(name, make());
      return made.get(name) as T;
    },
    cacheRegion: (layer) => caches[layer],
    cacheElementsBefore: (layer) => layers.slice(0, layer).reduce((sum, width) => sum + width, 0),
    stateRegion: (layer) => recurrentRegions.get(layer)!,
    stateOffset: (layer) => recurrent.slots.get(layer)!.offset,
    quantized(value, form) {
      const key = `${form} ${value.id}`;
      let made = forms.get(key);
      if (made) return made;
      const width = value.shape[1];
      const rows = Math.ceil(emitter.rowsOf(value) / 4) * 4;
      const bytes = bytesPerElement[form];
      made = {
        codes: emitter.temporary(rows * width * bytes.codes, `${value.label} ${form}`),
        scales: emitter.temporary(rows * width * bytes.scales, `${value.label} ${form} scales`),
      };
      forms.set(key, made);
      const from = emitter.region(value);
      emitter.emit({
        kernel: form === 'int16' ? 'quantize16' : 'quantize8',
        label: `${value.label}.${form}`,
        values: [emitter.rowsKind(value), from, made.codes, made.scales, width, form === 'int8Parts' ? 2 : 1],
        reads: [from],
        writes: [made.codes, made.scales],
      });
      return made;
    },
  };
  const regionOf = (regions: Map<Value, Region>, node: Value): Region => {
    let region = regions.get(node);
    if (!region) regions.set(node, (region = emitter.fixed(emitter.rowsOf(node) * node.shape[1] * 4, node.label)));
    return region;
  };
  /** Index of the last command of nodes with effects, for which other commands write values too. */
  const finished = new Map<Value, number>();
  for (const node of nodes) {
    if (isWeight(node)) continue;
    const lowering = lowerings[node.op.name];
    if (!lowering) throw new UnsupportedError('op', node.op.name, Object.keys(lowerings));
    lowering(node, context);
    if (node.op.hasEffects) finished.set(node, emitter.commands.length - 1);
  }
  return { emitter, weights, states, inputs, given, layers, recurrent, finished };
}
