/**
 * Generates a random model. The same options produce the same bytes on every machine.
 *
 *   npx tsx scripts/makeModel.ts --arch llama --format Q4_K --out tiny.gguf
 *   npx tsx scripts/makeModel.ts --shape 135m --format Q4_0 --out bench/models/135m-q4_0.gguf
 *   npx tsx scripts/makeModel.ts --arch qwen2 --hf --out tiny-qwen2
 *
 * The tiny shape is for correctness tests: all matrices have the requested format. The larger shapes are
 * for speed tests: their blocks come from a pool of encoded blocks, and formats are mixed as llama.cpp's quantize does
 * (Q4_K corresponds to Q4_K_M; --pure mixes nothing), so that sizes and speeds are those of real models. Their output
 * is noise.
 */
import { createWriteStream } from 'node:fs';
import { parseArgs } from 'node:util';
import type { ByteSink } from '../src/formats/byteSink.ts';
import { type Dimensions, type ModelOptions, writeHuggingFaceModel, writeModel } from './models/index.ts';

interface Shape {
  readonly architecture: string;
  readonly dimensions: Partial<Dimensions>;
  readonly large: boolean;
}

const shapes: Readonly<Record<string, Shape>> = {
  tiny: { architecture: 'llama', dimensions: {}, large: false },
  // SmolLM2-135M
  '135m': {
    architecture: 'smollm2',
    dimensions: { width: 576, layers: 30, heads: 9, kvHeads: 3, headSize: 64, ffn: 1536, vocabulary: 49152 },
    large: true,
  },
  // Llama 3.2 1B with Llama 2's vocabulary and an untied output layer
  '1b': {
    architecture: 'llama',
    dimensions: { width: 2048, layers: 16, heads: 32, kvHeads: 8, headSize: 64, ffn: 8192, vocabulary: 32000 },
    large: true,
  },
};

const { values } = parseArgs({
  options: {
    arch: { type: 'string' },
    shape: { type: 'string', default: 'tiny' },
    format: { type: 'string', default: 'F32' },
    'head-format': { type: 'string' },
    width: { type: 'string' },
    layers: { type: 'string' },
    heads: { type: 'string' },
    'kv-heads': { type: 'string' },
    'head-size': { type: 'string' },
    ffn: { type: 'string' },
    vocab: { type: 'string' },
    context: { type: 'string' },
    seed: { type: 'string' },
    ternary: { type: 'boolean' },
    pure: { type: 'boolean' },
    hf: { type: 'boolean' },
    out: { type: 'string' },
  },
});

function given(): Partial<Dimensions> {
  const named: [keyof Dimensions, string | undefined][] = [
    ['width', values.width],
    ['layers', values.layers],
    ['heads', values.heads],
    ['kvHeads', values['kv-heads']],
    ['headSize', values['head-size']],
    ['ffn', values.ffn],
    ['vocabulary', values.vocab],
    ['context', values.context],
  ];
  return Object.fromEntries(named.flatMap(([name, text]) => (text === undefined ? [] : [[name, Number(text)]])));
}

/** Writes to a file and waits while the disk is busy. */
function fileSink(path: string): ByteSink & { close(): Promise<void> } {
  const stream = createWriteStream(path);
  const settle = (work: (done: (error?: Error | null) => void) => void) =>
    new Promise<void>((resolve, reject) => {
      stream.once('error', reject);
      work((error) => {
        stream.off('error', reject);
        if (error) reject(error);
        else resolve();
      });
    });
  return {
    write: (bytes) => settle((done) => stream.write(bytes, done)),
    close: () => settle((done) => stream.end(done)),
  };
}

const shape = shapes[values.shape];
if (!shape || !values.out) {
  console.error(
    `usage: makeModel --out FILE [--shape ${Object.keys(shapes).join('|')}] [--arch NAME] [--format NAME] …`,
  );
  process.exit(1);
}
const options: ModelOptions = {
  architecture: values.arch ?? shape.architecture,
  format: values.format,
  headFormat: values['head-format'],
  dimensions: { ...shape.dimensions, ...given() },
  seed: values.seed === undefined ? undefined : Number(values.seed),
  ternary: values.ternary,
  large: shape.large,
  pure: values.pure,
};
if (values.hf) {
  await writeHuggingFaceModel(values.out, options);
} else {
  const sink = fileSink(values.out);
  await writeModel(sink, options);
  await sink.close();
}
