/** Measures the error of the meter's predictions: products of unmeasured shapes, and whole steps of other models. */
import { wasm } from '../../src/backends/wasm/index.ts';
import type { Graph } from '../../src/graph/graph.ts';
import { PAGE_POSITIONS } from '../../src/graph/step.ts';
import { repeatedWeights } from '../../src/runtime/roofline/layerProgram.ts';
import { quantile } from '../../src/runtime/statistics.ts';
import type { CostTable } from '../../src/search/costTable.ts';
import { measureCosts } from '../../src/search/measureCosts.ts';
import { type ModelShape, shapedGraph } from '../../src/search/probeModel.ts';
import { stepCost } from '../../src/search/stepCost.ts';
import { formatByName } from '../../src/tensor/formats.ts';

const CONTEXT = 512;
/** None of them is among the measured models. */
const unseen: Readonly<Record<string, ModelShape>> = {
  '3M': { layers: 6, width: 256, heads: 4, kvHeads: 2, ffn: 768, vocabulary: 2048 },
  '40M': { layers: 12, width: 512, heads: 8, kvHeads: 4, ffn: 1280, vocabulary: 16384 },
  '135M': { layers: 30, width: 576, heads: 9, kvHeads: 3, ffn: 1536, vocabulary: 49152 },
  '270M': { layers: 18, width: 640, heads: 4, kvHeads: 1, headSize: 256, ffn: 2048, vocabulary: 262144 },
};

interface Row {
  readonly model: string;
  readonly tokens: number;
  readonly depth: number;
  readonly threads: number;
  readonly measured: number;
  readonly predicted: number;
}

/** @param rounds repetitions of each step */
export async function benchMeter({
  formats,
  threads,
  rounds,
}: {
  formats: readonly string[];
  threads: readonly number[];
  rounds: number;
}) {
  const started = performance.now();
  const table = await measureCosts({ formats, threads });
  const seconds = (performance.now() - started) / 1000;
  const rows: Row[] = [];
  for (const format of formats)
    for (const [name, shape] of Object.entries(unseen)) {
      const width = formatByName(format).blockSize;
      if ([shape.width, shape.ffn].some((size) => size % width !== 0)) continue;
      rows.push(
        ...(await stepsOf(
          `${name} ${format}`,
          shapedGraph(shape, formatByName(format), CONTEXT),
          table,
          threads,
          rounds,
        )),
      );
    }
  for (const { model, tokens, depth, threads: count, measured, predicted } of rows)
    console.log(
      `${model.padEnd(12)} T = ${tokens} behind ${String(depth).padStart(3)}, ${count} threads: ${ms(measured)} ms, predicted ${ms(predicted)}, ${percent(predicted / measured - 1)}`,
    );
  const errors = rows.map(({ measured, predicted }) => Math.abs(predicted / measured - 1));
  const within = (share: number) => errors.filter((error) => error <= share).length / errors.length;
  return {
    seconds,
    formats,
    threads,
    steps: rows.length,
    medianError: quantile(errors, 0.5),
    within7: within(0.07),
    within10: within(0.1),
    within20: within(0.2),
  };
}

async function stepsOf(
  model: string,
  graph: Graph,
  table: CostTable,
  threadCounts: readonly number[],
  rounds: number,
): Promise<Row[]> {
  const most = 8;
  const limits = { maxTokens: most, maxRows: most, context: CONTEXT };
  const settings = { threads: Math.max(...threadCounts), variant: table.variant };
  const program = await wasm.compile(graph, { weights: repeatedWeights(), ...limits, settings });
  const store = program.openPages(formatByName('F16'));
  const pages = Array.from({ length: CONTEXT / PAGE_POSITIONS }, () => store.allocate());
  const rows: Row[] = [];
  for (const threads of threadCounts)
    for (const tokens of [1, 3, 8])
      for (const depth of [0, 400]) {
        const ids = Array.from({ length: tokens }, (_, i) => i);
        const step = { sequences: [{ tokens: ids, position: depth, pages }], rows: ids, outputs: ['logits'], threads };
        const times: number[] = [];
        for (let round = -3; round < rounds; round++) {
          const began = performance.now();
          program.run(step).release();
          if (round >= 0) times.push((performance.now() - began) / 1000);
        }
        // the quantile of the table, see measureCosts
        const measured = quantile(times, 0.25);
        rows.push({
          model,
          tokens,
          depth,
          threads,
          measured,
          predicted: stepCost(table, graph, { tokens, depth, threads }).seconds,
        });
      }
  program.dispose();
  return rows;
}

const ms = (seconds: number) => (1000 * seconds).toFixed(2);
const percent = (share: number) => `${share < 0 ? '−' : '+'}${Math.abs(100 * share).toFixed(0)}%`;
