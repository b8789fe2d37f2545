/** Writes the result of a run: a GGUF file with the trained model and its tokenizer, or with an adapter. */
import { OptionError } from '../core/errors.ts';
import type { Checkpoint, CheckpointTensor } from '../formats/checkpoint.ts';
import { type GgufValue, writeGguf } from '../formats/gguf/write.ts';
import type { TensorToWrite } from '../formats/tensorToWrite.ts';
import { tensorValues } from '../formats/tensorValues.ts';
import { tokenizerToGguf } from '../formats/tokenizerToGguf.ts';
import { type BlockFormat, bytesOf } from '../tensor/blockFormat.ts';
import { formatByName } from '../tensor/formats.ts';
import type { TokenizerSpec } from '../tokenizer/spec.ts';
import type { CheckpointFolder } from './checkpoint/checkpointFolder.ts';
import type { Recipe } from './recipe/schema.ts';

export interface TrainedModel {
  /** The checkpoint that training started from: metadata, and tensors that were not trained. */
  readonly checkpoint: Checkpoint;
  /** Tokenizer of a new model. Undefined if the start model brings its own. */
  readonly tokenizer?: TokenizerSpec;
  /** Returns the F32 values of a trained weight, undefined for other tensors. */
  weight(tensor: string): Promise<Float32Array> | undefined;
}

const F32 = formatByName('F32');
/** Version of the quantized blocks' scales (GGML_QNT_VERSION in llama.cpp). */
const QUANTIZATION_VERSION = 2;

/** @throws {OptionError} if the rows of a matrix are not a multiple of the format's block size */
export function checkOutputFormat({ output, model }: Recipe, checkpoint: Checkpoint): void {
  const format = formatByName(output.format);
  for (const tensor of checkpoint.tensors.values()) {
    if (!isMatrix(tensor)) continue;
    const width = tensor.shape.at(-1)!;
    if (width % format.blockSize === 0) continue;
    const expected = `a format with blocks that divide rows of ${width} (${tensor.name}); its blocks have ${format.blockSize}`;
    const advice = model.start === undefined ? ', or other model sizes' : '';
    throw new OptionError('output.format', format.name, `${expected}${advice}`);
  }
}

/** Writes matrices in the recipe's format and other tensors in F32. @throws {SourceError} if the file cannot be written */
export async function writeModel(
  folder: CheckpointFolder,
  file: string,
  recipe: Recipe,
  trained: TrainedModel,
): Promise<void> {
  const { checkpoint, tokenizer } = trained;
  const format = formatByName(recipe.output.format);
  const metadata = metadataOf(recipe, checkpoint, tokenizer);
  if (format !== F32) metadata.set('general.quantization_version', QUANTIZATION_VERSION);
  const tensors = [...checkpoint.tensors.values()].map((tensor) =>
    tensorToWrite(tensor, isMatrix(tensor) ? format : F32, () => trained.weight(tensor.name)),
  );
  await folder.replace(file, (sink) => writeGguf(sink, { metadata, tensors }));
}

function metadataOf(recipe: Recipe, checkpoint: Checkpoint, tokenizer?: TokenizerSpec): Map<string, GgufValue> {
  // keys that describe the source file, not the model
  const outdated = /^(general\.(file_type|quantization_version|name)|split\.)/;
  const kept = [...checkpoint.metadata].filter(([key]) => !outdated.test(key)) as [string, GgufValue][];
  const metadata = new Map<string, GgufValue>([...kept, ['general.name', recipe.name]]);
  for (const [key, value] of tokenizer ? tokenizerToGguf(tokenizer) : []) metadata.set(key, value);
  const { chatTemplate } = recipe.output;
  if (chatTemplate !== undefined) metadata.set('tokenizer.chat_template', chatTemplate);
  return metadata;
}

/** True for tensors that are quantized. Position embeddings and rope tables stay F32, as in llama.cpp's files. */
function isMatrix({ name, shape }: CheckpointTensor): boolean {
  return shape.length === 2 && name !== 'position_embd.weight';
}

function tensorToWrite(
  tensor: CheckpointTensor,
  format: BlockFormat,
  weight: () => Promise<Float32Array> | undefined,
): TensorToWrite {
  const { name, shape } = tensor;
  const elements = (tensor.byteLength / tensor.format.blockBytes) * tensor.format.blockSize;
  return {
    name,
    shape,
    format,
    async data() {
      const values = await (weight() ?? tensorValues(tensor));
      const bytes = new Uint8Array(bytesOf(format, elements));
      format.encode(values, 0, bytes, 0, elements / format.blockSize);
      return bytes;
    },
  };
}
