/** Training of an early exit: which tokens it predicts, its loss, and its file. The model itself is frozen. */
import { OptionError } from '../core/errors.ts';
import type { Checkpoint } from '../formats/checkpoint.ts';
import { writeGguf } from '../formats/gguf/write.ts';
import { readTensor } from '../formats/readTensor.ts';
import type { Graph, Value } from '../graph/graph.ts';
import { klDivergence } from '../graph/ops/klDivergence.ts';
import type { Program } from '../graph/program.ts';
import { EXIT_OUTPUT, EXIT_TEACHER } from '../models/exitPart.ts';
import { exitFormat, exitMetadata, freshExit, isTrainedInExit, readExitHeader } from '../models/exits.ts';
import { bytesOf } from '../tensor/blockFormat.ts';
import type { CheckpointFolder } from './checkpoint/checkpointFolder.ts';
import { openDataset } from './data/dataset.ts';
import { datasetOptions, type PreparationOptions } from './fromRecipe.ts';
import type { Recipe } from './recipe/schema.ts';
import type { StartingPoint } from './startingPoint.ts';

/** Batches whose targets are counted for the list of tokens. */
const COUNTED = 64;

/** Makes the exit that a recipe describes, before training. @throws {OptionError} if the model is too shallow or has fewer tokens */
export async function exitToTrain(
  recipe: Recipe,
  { checkpoint, tokenizer }: StartingPoint,
  options: PreparationOptions,
): Promise<Checkpoint> {
  const { depth, tokens: wanted } = recipe.exit!;
  const layers = Number(checkpoint.metadata.get(`${checkpoint.metadata.get('general.architecture')}.block_count`));
  if (depth >= layers) throw new OptionError('exit.depth', depth, `less than the ${layers} layers of the model`);
  const vocabulary = checkpoint.tensors.get('token_embd.weight')?.shape[0] ?? 0;
  if (wanted !== undefined && wanted > vocabulary)
    throw new OptionError('exit.tokens', wanted, `at most the ${vocabulary} tokens of the model`);
  if (wanted === undefined || wanted === vocabulary)
    return freshExit(
      checkpoint,
      depth,
      Int32Array.from({ length: vocabulary }, (_, id) => id),
    );
  const counts = new Uint32Array(vocabulary);
  const data = await openDataset(datasetOptions(recipe, tokenizer, options));
  try {
    for (let i = 0; i < COUNTED; i++) {
      options.signal?.throwIfAborted();
      for (const id of (await data.batch(i)).targets) if (id >= 0) counts[id] = counts[id] + 1;
    }
  } finally {
    await data.close();
  }
  const likeliest = [...counts.keys()].sort((a, b) => counts[b] - counts[a] || a - b).slice(0, wanted);
  return freshExit(checkpoint, depth, Int32Array.from(likeliest.sort((a, b) => a - b)));
}

/** KL divergence of the exit from the whole model, per row: both over the exit's tokens. */
export function exitDivergence(graph: Graph): Value {
  const [exit, whole] = [EXIT_OUTPUT, EXIT_TEACHER].map((name) => graph.outputs.get(name)!);
  return klDivergence(exit, whole, { temperature: 1, reverse: 0 });
}

/** @throws {SourceError} if the file cannot be written */
export async function writeExit(
  folder: CheckpointFolder,
  file: string,
  { name, output }: Recipe,
  exit: Checkpoint,
  program: Program,
): Promise<void> {
  const tensors = [...exit.tensors.values()].map((tensor) => {
    const format = exitFormat(tensor, output.format);
    const data = async () => {
      if (!isTrainedInExit(tensor.name)) return readTensor(tensor);
      const values = await program.readTensor(tensor.name);
      const bytes = new Uint8Array(bytesOf(format, values.length));
      format.encode(values, 0, bytes, 0, values.length / format.blockSize);
      return bytes;
    };
    return { name: tensor.name, shape: tensor.shape, format, data };
  });
  const metadata = [...exitMetadata(readExitHeader(exit)), ['general.name', name] as const];
  await folder.replace(file, (sink) => writeGguf(sink, { metadata, tensors }));
}
