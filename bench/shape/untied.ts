/** A model with an output matrix of its own, which rotations need, made from one with tied embeddings. */
import { writeFile } from '../../src/compress/writeFile.ts';
import type { GgufValue } from '../../src/formats/gguf/write.ts';
import { openCheckpoint } from '../../src/formats/open.ts';
import { readTensor } from '../../src/formats/readTensor.ts';

/** Copies a model, and writes its embeddings as output matrix, too, unless it has one. */
export async function writeUntied(source: string, path: string): Promise<void> {
  const checkpoint = await openCheckpoint(source);
  const tensors = [...checkpoint.tensors.values()];
  const embedding = checkpoint.tensors.get('token_embd.weight')!;
  if (!checkpoint.tensors.has('output.weight')) tensors.push({ ...embedding, name: 'output.weight' });
  const written = tensors.map(({ name, shape, format }) => {
    const from = checkpoint.tensors.get(name) ?? embedding;
    return { name, shape, format, data: () => readTensor(from) };
  });
  const metadata = [...checkpoint.metadata] as [string, GgufValue][];
  await writeFile(path, { metadata, tensors: written });
  await checkpoint.close();
}
