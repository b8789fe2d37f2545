/** A model in a few lines: what people ask first. JSON-safe. */
import type { Checkpoint } from '../formats/checkpoint.ts';
import { isWeight } from '../graph/graph.ts';
import type { BuiltModel } from '../models/buildModel.ts';

export interface ModelSummary {
  /** Path, URL or file name. */
  readonly source: string;
  /** What the model calls itself. */
  readonly name?: string;
  readonly architecture: string;
  /** Weights counted one by one. */
  readonly parameters: number;
  /** Tensors of each block format, by name. */
  readonly formats: Readonly<Record<string, number>>;
  /** Positions the model was trained for. */
  readonly trainedContext: number;
  readonly vocabulary: number;
  /** Whether the files hold a chat template; without one a plain default is used. */
  readonly chatTemplate: boolean;
  /** Of all files. */
  readonly byteLength: number;
}

export function summarize(checkpoint: Checkpoint, model: BuiltModel): ModelSummary {
  const name = checkpoint.metadata.get('general.name');
  const formats: Record<string, number> = {};
  let parameters = 0;
  for (const node of model.graph.live()) {
    if (!isWeight(node)) continue;
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
    vocabulary: model.graph.outputs.get('logits')!.shape[1],
    chatTemplate: checkpoint.chatTemplate !== undefined,
    byteLength: checkpoint.byteLength,
  };
}
