/** A model with an output matrix of its own, which rotations need, made from one with tied embeddings. */
import { createWriteStream } from 'node:fs';
import { finished } from 'node:stream/promises';
import { type GgufValue, writeGguf } from '../../src/formats/gguf/write.ts';
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
  const stream = createWriteStream(path);
  const sink = {
    write: (bytes: Uint8Array) => new Promise<void>((done) => stream.write(bytes, () => done())),
  };
  const metadata = [...checkpoint.metadata] as [string, GgufValue][];
  await writeGguf(sink, { metadata, tensors: written });
  await finished(stream.end());
  await checkpoint.close();
}
