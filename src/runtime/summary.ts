/** Summary of a model. JSON-safe. */
import type { Checkpoint } from '../formats/checkpoint.ts';
import { isWeight } from '../graph/graph.ts';
import { storedTables } from '../graph/ops/storedRows.ts';
import type { BuiltModel } from '../models/buildModel.ts';
import { vocabularyOf } from './graphKind.ts';

export interface ModelSummary {
  /** Path, URL or file name of the model. */
  readonly source: string;
  /** Name in the model's metadata. */
  readonly name?: string;
  readonly architecture: string;
  /** Number of weights. */
  readonly parameters: number;
  /** Number of tensors per block format, by format name. */
  readonly formats: Readonly<Record<string, number>>;
  /** Context length that the model was trained with, in tokens. */
  readonly trainedContext: number;
  readonly vocabulary: number;
  /** True if the files contain a chat template. Otherwise a plain default is used. */
  readonly chatTemplate: boolean;
  /** Total size of the files. */
  readonly byteLength: number;
}

export function summarize(checkpoint: Checkpoint, model: BuiltModel): ModelSummary {
  const name = checkpoint.metadata.get('general.name');
  const formats: Record<string, number> = {};
  let parameters = 0;
  for (const node of [...model.graph.live().filter(isWeight), ...storedTables(model.graph).values()]) {
    parameters += Number(node.shape[0]) * node.shape[1];
    formats[node.attributes.format.name] = (formats[node.attributes.format.name] ?? 0) + 1;
  }
  return {
    source: checkpoint.name,
    ...(typeof name === 'string' && { name }),
    architecture: model.architecture.name,
    parameters,
    formats,
    trainedContext: model.trainedContext,
    vocabulary: vocabularyOf(model.graph),
    chatTemplate: checkpoint.chatTemplate !== undefined,
    byteLength: checkpoint.byteLength,
  };
}
