/** Predicts the speed of a model on a measured device from the header of its file: no weight is read. */
import { type CheckpointSource, openCheckpoint } from '../formats/open.ts';
import type { Graph } from '../graph/graph.ts';
import { type BuiltModel, buildModel, trainedContextOf } from '../models/buildModel.ts';
import type { CostTable } from './costTable.ts';
import { type DescribedCost, describedCost } from './describedCost.ts';
import type { DeviceFile } from './deviceFile.ts';
import { measuredThreads, productOf, type StepCost, type StepSize, stepCost } from './stepCost.ts';

export interface ModelCost {
  /** Cost of a token that continues a text of `depth` tokens. */
  readonly token: StepCost;
  /** Cost of a step of 16 tokens of a prompt, divided by 16. */
  readonly promptToken: StepCost;
  readonly depth: number;
  readonly threads: number;
}

const PROMPT_STEP = 16;

/** Block formats of the matrices that a model multiplies with: what a table needs. @throws the errors of `estimate` */
export async function formatsOfModel(source: CheckpointSource): Promise<string[]> {
  return withModel(source, (model) => {
    const formats = new Set<string>();
    for (const node of model.graph.live()) {
      const product = productOf(node, { T: 1, P: 0, R: 1, S: 1 });
      if (product) formats.add(product.format);
    }
    return [...formats].sort();
  });
}

/** Graph of a model for its costs. @throws the errors of `estimate` */
export const graphOfModel = (source: CheckpointSource): Promise<Graph> => withModel(source, ({ graph }) => graph);

/** @throws {UnsupportedError} if a format was not measured; the errors of `estimate` */
export async function modelCost(
  source: CheckpointSource,
  table: CostTable,
  options: Pick<StepSize, 'depth' | 'threads'> = {},
): Promise<ModelCost> {
  const { depth = 256 } = options;
  return withModel(source, ({ graph }) => {
    const secondsOf = (threads: number) => stepCost(table, graph, { depth, threads }).seconds;
    // as the engine does, which measures how many threads are best for one token
    const threads = options.threads ?? measuredThreads(table).reduce((a, b) => (secondsOf(b) < secondsOf(a) ? b : a));
    const token = stepCost(table, graph, { depth, threads });
    const many = stepCost(table, graph, { tokens: PROMPT_STEP, rows: 1, threads });
    const each = (value: number) => value / PROMPT_STEP;
    const promptToken = { seconds: each(many.seconds), bytes: each(many.bytes), multiplyAdds: each(many.multiplyAdds) };
    return { token, promptToken, depth, threads };
  });
}

/** Cost of a token on a device that is only described. @throws the errors of `estimate` */
export async function describedModelCost(
  source: CheckpointSource,
  device: DeviceFile,
  { depth = 256 }: Pick<StepSize, 'depth'> = {},
): Promise<DescribedCost> {
  return withModel(source, ({ graph }) => describedCost(device, graph, { depth }));
}

async function withModel<R>(source: CheckpointSource, use: (model: BuiltModel) => R): Promise<R> {
  const checkpoint = await openCheckpoint(source, { headerOnly: true });
  try {
    return use(buildModel(checkpoint, Math.min(trainedContextOf(checkpoint), 4096)));
  } finally {
    await checkpoint.close();
  }
}
