/** Computes the mean of a model's residual stream at each position. */
import { backendByName } from '../../src/backends/index.ts';
import type { BuiltModel } from '../../src/models/buildModel.ts';
import { weightStore } from '../../src/models/weightStore.ts';

export interface ResidualState {
  /** [positions, width], each row minus its mean, as layer norms see it. */
  readonly mean: Float64Array;
  /** Mean of 1 / deviation over all tokens, the factor of layer norms. */
  readonly inverse: number;
}

export interface ResidualStates {
  /** States by label of the graph's node. */
  readonly of: ReadonlyMap<string, ResidualState>;
  /** Number of texts that have a token at each position. */
  readonly counts: Float64Array;
}

const AT_A_TIME = 4;

/** @param texts token ids, each from position 0 on and at most `positions` long */
export async function residualStates(
  model: BuiltModel,
  labels: readonly string[],
  texts: readonly (readonly number[])[],
  { positions, threads }: { readonly positions: number; readonly threads: number },
): Promise<ResidualStates> {
  for (const node of model.graph.live()) if (labels.includes(node.label)) model.graph.outputs.set(node.label, node);
  const most = AT_A_TIME * positions;
  const limits = { maxTokens: most, maxRows: most, context: positions, threads };
  const program = await backendByName('auto').compile(model.graph, { ...limits, weights: weightStore(model) });
  const width = model.metadata.count('embedding_length');
  const sums = labels.map(() => ({ mean: new Float64Array(positions * width), inverse: 0 }));
  const counts = new Float64Array(positions);
  for (let from = 0; from + AT_A_TIME <= texts.length; from += AT_A_TIME) {
    const read = texts.slice(from, from + AT_A_TIME);
    const tokens = new Int32Array(most);
    for (const [i, ids] of read.entries()) {
      tokens.set(ids, i * positions);
      for (const position of ids.keys()) counts[position]++;
    }
    const result = program.run({ tokens, sequence: positions, rows: Int32Array.of(0), outputs: labels });
    for (const [l, label] of labels.entries()) {
      const states = await result.output(label);
      for (const [i, ids] of read.entries())
        for (const position of ids.keys()) {
          const at = (i * positions + position) * width;
          addState(sums[l], states.subarray(at, at + width), position * width);
        }
    }
  }
  program.dispose();
  const total = counts.reduce((sum, count) => sum + count, 0);
  for (const { mean } of sums)
    for (let i = 0; i < mean.length; i++) mean[i] /= Math.max(1, counts[Math.floor(i / width)]);
  return { of: new Map(labels.map((label, l) => [label, { ...sums[l], inverse: sums[l].inverse / total }])), counts };
}

function addState(sum: { mean: Float64Array; inverse: number }, state: Float32Array, at: number): void {
  const mean = state.reduce((total, value) => total + value, 0) / state.length;
  let squares = 0;
  for (const [i, value] of state.entries()) {
    sum.mean[at + i] += value - mean;
    squares += (value - mean) ** 2;
  }
  sum.inverse += 1 / Math.sqrt(squares / state.length + 1e-5);
}
