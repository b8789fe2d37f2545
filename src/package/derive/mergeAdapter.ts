/** Merges an adapter into a model's file, in the block formats of the file, with the arithmetic of the recipe that devices run. */
import { OptionError } from '../../core/errors.ts';
import type { ByteSink } from '../../formats/byteSink.ts';
import type { ByteSource } from '../../formats/byteSource.ts';
import { openGguf } from '../../formats/gguf/checkpoint.ts';
import { readGguf } from '../../formats/gguf/read.ts';
import { typedMetadata, writeGguf } from '../../formats/gguf/write.ts';
import { readTensor } from '../../formats/readTensor.ts';
import { readAdapter } from '../../models/adapter.ts';
import { merger } from './mergeSection.ts';

/**
 * @param base GGUF file @param adapter GGUF file of an adapter
 * @throws {FormatError} for damaged files; {OptionError} if the adapter does not fit the model, or a matrix is in a format without an encoder
 */
export async function mergeAdapter(
  base: ByteSource,
  adapter: ByteSource,
  sink: ByteSink,
  options: { readonly signal?: AbortSignal } = {},
): Promise<void> {
  const { signal } = options;
  const { alpha, factors } = await readAdapter(await openGguf(adapter, { signal }));
  const file = await readGguf(base, { signal });
  for (const [name, { rank, a, b }] of factors) {
    const tensor = file.tensors.get(name);
    const expected = `[${b.length / rank}, ${a.length / rank}]`;
    if (tensor?.shape.join(', ') !== expected.slice(1, -1))
      throw new OptionError(
        'the adapter',
        `${name} ${expected}`,
        `a matrix of the model, which has ${tensor ? `[${tensor.shape.join(', ')}]` : 'none of this name'}`,
      );
    if (tensor.format.decodeOnly)
      throw new OptionError(`the format of ${name}`, tensor.format.name, 'a format with an encoder');
  }
  const tensors = [...file.tensors.values()].map((tensor) => ({
    name: tensor.name,
    format: tensor.format,
    shape: tensor.shape,
    data: async () => {
      const bytes = await readTensor(tensor, signal);
      const found = factors.get(tensor.name);
      if (!found) return bytes;
      const { format } = tensor;
      const blocks = bytes.length / format.blockBytes;
      const values = new Float32Array(blocks * format.blockSize);
      format.decode(bytes, 0, values, 0, blocks);
      merger(found.a, found.b, tensor.shape[1], alpha / found.rank)(values, 0);
      format.encode(values, 0, bytes, 0, blocks);
      return bytes;
    },
  }));
  await writeGguf(sink, { metadata: typedMetadata(file), tensors }, { signal });
}
