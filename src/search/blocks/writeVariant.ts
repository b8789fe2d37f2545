/** Writes a version of a model as a GGUF file. */
import { writeFile } from '../../compress/writeFile.ts';
import type { GgufValue } from '../../formats/gguf/write.ts';
import { type CheckpointSource, openCheckpoint } from '../../formats/open.ts';
import { copiedTensor } from '../../formats/tensorToWrite.ts';
import { inGgufTerms } from '../../models/inGgufTerms.ts';
import { variantOf } from './variant.ts';

/** Version of the scales of quantized blocks, as llama.cpp writes it. */
const QUANTIZATION_VERSION = 2;

/** @param levels of each block, see `searchBlocks` @throws the errors of `load`; {SourceError} if the file cannot be written */
export async function writeVariant(
  source: CheckpointSource,
  output: string,
  levels: readonly string[],
  options: { readonly signal?: AbortSignal } = {},
): Promise<void> {
  const opened = await openCheckpoint(source, options);
  try {
    const variant = variantOf(inGgufTerms(opened), levels);
    const metadata = new Map(variant.metadata as ReadonlyMap<string, GgufValue>);
    metadata.delete('general.file_type');
    metadata.set('general.quantization_version', QUANTIZATION_VERSION);
    const tensors = [...variant.tensors].map(([name, tensor]) => copiedTensor(name, tensor, options.signal));
    await writeFile(output, { metadata, tensors }, options);
  } finally {
    await opened.close();
  }
}
