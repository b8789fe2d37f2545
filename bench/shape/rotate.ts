/** Quantized files with and without a rotated residual stream, at the same bytes. */
import { createWriteStream } from 'node:fs';
import { finished } from 'node:stream/promises';
import { quantize, rotate } from '../../src/compress/index.ts';
import { type GgufValue, writeGguf } from '../../src/formats/gguf/write.ts';
import { openCheckpoint } from '../../src/formats/open.ts';
import { readTensor } from '../../src/formats/readTensor.ts';
import type { Setting } from './setting.ts';

/** A rotation helps where it leaves less divergence. */
const BAR = 1;

export async function benchRotate(setting: Setting, types: readonly string[]): Promise<object[]> {
  const { threads } = setting.options;
  // rotations need an output matrix of their own
  const untied = await setting.made('untied.gguf', (path) => writeUntied(setting.source, path));
  const rotated = await setting.made('rotated.gguf', (path) => rotate(untied.path, path));
  const rows: object[] = [];
  for (const type of types)
    for (const calibration of [undefined, setting.calibration]) {
      const way = calibration ? 'OBS' : 'plain';
      const files: string[] = [];
      for (const [label, { path: source }] of Object.entries({ untied, rotated })) {
        const options = { type, pure: true, calibration, threads };
        const made = await setting.made(`${label}-${type}-${way}.gguf`, (path) => quantize(source, path, options));
        files.push(made.path);
      }
      const [without, turned] = (await setting.judge(files)).map(({ kld }) => kld!.mean) as [number, number];
      const ratio = turned / without;
      const isReached = ratio < BAR;
      console.log(
        `${type} ${way}: ${without.toExponential(3)}, rotated ${turned.toExponential(3)}: × ${ratio.toFixed(2)} (helps below ${BAR}) ${isReached ? 'helps' : 'does NOT help'}`,
      );
      rows.push({ type, way, kld: without, rotatedKld: turned, ratio, bar: BAR, isReached });
    }
  return rows;
}

/** Copies a model with tied embeddings, and writes its output matrix, too. */
async function writeUntied(source: string, path: string): Promise<void> {
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
