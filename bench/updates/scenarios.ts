/** Changes of models whose updates are measured, with the limits of the bytes that they may need. */
import { deflateRawSync } from 'node:zlib';
import {
  type GgufOptions,
  ggufFile,
  type MakeData,
  type ModelFile,
  safetensorsFile,
  shuffledData,
  type Tensor,
  tensorBytes,
} from './modelFiles.ts';

/** Files of a version of a model. */
export type Version = readonly ModelFile[];

export interface Scenario {
  readonly name: string;
  readonly old: Version;
  /** Versions that are published between the old and the new one, and skipped by the device. */
  readonly between?: readonly Version[];
  readonly to: Version;
  /** Maximum bytes of the update. Default: the whole files and 0.1%. @param bytes of the new version @param chain bytes of updates one by one */
  readonly limit?: (bytes: number, chain: number) => number;
}

/** Bytes of manifest, index and headers that every update may need. */
const OVERHEAD = 20_000;
const TOKENS = 4000;
const GROWN = 64;

/** @param format of the weights @param count of tensors of 512 × 512 */
export function smallScenarios(format: string, count: number): Scenario[] {
  const shape = [512, 512];
  const tensors = Array.from(
    { length: count },
    (_, i): Tensor => ({ name: `blk.${i}.weight`, seed: i + 1, format, shape }),
  );
  const base = model(tensors);
  const to = (changed: readonly Tensor[], options: ModelOptions = {}): Version => [model(changed, options)];
  const old: Version = [base];
  const tensor = (name: string, seed: number): Tensor => ({ name, seed, format, shape });
  const one = tensorBytes(tensors[0]);
  const moved = (...noise: number[]) => to(tensors.map((each) => ({ ...each, noise })));
  const within = (bytes: number) => () => bytes + OVERHEAD;
  const isQ4 = format === 'Q4_0';
  const noisy = (share: number, limit: number): Scenario => ({
    name: `all weights + ${100 * share}% noise`,
    old,
    to: moved(share),
    // the limits of the other formats are reported, not set
    ...(isQ4 && { limit: (bytes) => limit * bytes }),
  });
  return [
    { name: '21 bytes of metadata', old, to: to(tensors, { note: 'changed by a few bytes' }), limit: within(0) },
    {
      name: '96 bytes in front',
      old,
      to: to(tensors, { note: `a description${' and more'.repeat(10)} again` }),
      limit: within(0),
    },
    {
      name: 'one tensor new',
      old,
      to: to(tensors.map((each, i) => (i === 5 ? tensor(each.name, 999) : each))),
      limit: within(1.01 * one),
    },
    {
      name: 'two tensors appended',
      old,
      to: to([...tensors, tensor('extra.0', 1001), tensor('extra.1', 1002)]),
      limit: within(2.02 * one),
    },
    {
      name: 'a head as a component of its own',
      old,
      to: [base, ggufFile([tensor('cls.output.weight', 1001)], { role: 'head/topics', fileName: 'topics.gguf' })],
      limit: within(1.01 * one),
    },
    { name: 'tensors in reverse order', old, to: to(tensors.toReversed()), limit: within(0) },
    ...splitScenarios(tensors, base),
    ...safetensorsScenarios(count),
    grownTokenizer(tensors, format),
    {
      name: 'one tensor in another quant',
      old,
      to: to(tensors.map((each, i) => (i === 5 ? { ...each, format: 'Q8_0' } : each))),
      limit: within(1.01 * tensorBytes({ ...tensors[5], format: 'Q8_0' })),
    },
    ...(format === 'Q8_0' ? [] : [otherQuant(tensors)]),
    ...adapterScenarios(base),
    noisy(0.001, 0.023),
    noisy(0.01, 0.094),
    noisy(0.1, 0.38),
    {
      name: 'two versions skipped, each + 1% noise',
      old,
      between: [moved(0.01), moved(0.01, 0.01)],
      to: moved(0.01, 0.01, 0.01),
      limit: (bytes, chain) => Math.min(bytes, chain),
    },
  ];
}

/** @param count of tensors of 2048 × 2048 in Q4_0; 256 are 600 MB */
export function bigScenarios(count: number): Scenario[] {
  const data = shuffledData();
  const tensors = Array.from(
    { length: count },
    (_, i): Tensor => ({ name: `blk.${i}.weight`, seed: i, format: 'Q4_0', shape: [2048, 2048] }),
  );
  const old: Version = [model(tensors, { data })];
  const one = tensorBytes(tensors[0]);
  return [
    {
      name: '21 bytes of metadata',
      old,
      to: [model(tensors, { data, note: 'changed by a few bytes' })],
      limit: () => OVERHEAD,
    },
    {
      name: 'one tensor new',
      old,
      to: [
        model(
          tensors.map((each, i) => (i === 5 ? { ...each, seed: 999 } : each)),
          { data },
        ),
      ],
      limit: () => 1.01 * one + OVERHEAD,
    },
    { name: 'tensors in reverse order', old, to: [model(tensors.toReversed(), { data })], limit: () => OVERHEAD },
    {
      name: 'all weights + 1% noise',
      old,
      to: [
        model(
          tensors.map((each) => ({ ...each, noise: [0.01] })),
          { data },
        ),
      ],
      limit: (bytes) => 0.094 * bytes,
    },
  ];
}

interface ModelOptions extends Omit<GgufOptions, 'metadata'> {
  readonly note?: string;
  readonly tokens?: number;
  readonly metadata?: GgufOptions['metadata'];
  readonly data?: MakeData;
}

function model(tensors: readonly Tensor[], options: ModelOptions = {}): ModelFile {
  const { note = 'a description', tokens = TOKENS, metadata = [], ...more } = options;
  return ggufFile(tensors, {
    ...more,
    metadata: [
      ['general.description', note],
      ['tokenizer.ggml.tokens', Array.from({ length: tokens }, (_, i) => token(i))],
      ...metadata,
    ],
  });
}

const token = (i: number) => `token ${i}`;

/** The same tensors in one file, and in the parts that llama.cpp's gguf-split makes. */
function splitScenarios(tensors: readonly Tensor[], whole: ModelFile): Scenario[] {
  const half = tensors.length / 2;
  const count: readonly [string, number] = ['split.count', 2];
  const name = (part: number) => `model-0000${part}-of-00002.gguf`;
  const parts: Version = [
    model(tensors.slice(0, half), { fileName: name(1), metadata: [['split.no', 0], count] }),
    ggufFile(tensors.slice(half), { role: `base/${name(2)}`, fileName: name(2), metadata: [['split.no', 1], count] }),
  ];
  const limit = () => OVERHEAD;
  return [
    { name: 'one file becomes two', old: [whole], to: parts, limit },
    { name: 'two files become one', old: parts, to: [whole], limit },
  ];
}

/** The same tensors in F16, with the names of each format. */
function safetensorsScenarios(count: number): Scenario[] {
  const shape = [512, 512];
  const tensor = (name: string, i: number): Tensor => ({ name, seed: i + 1, format: 'F16', shape });
  const numbers = Array.from({ length: Math.min(count, 16) }, (_, i) => i);
  const gguf: Version = [model(numbers.map((i) => tensor(`blk.${i}.weight`, i)))];
  const folder: Version = [safetensorsFile(numbers.map((i) => tensor(`model.layers.${i}.weight`, i)))];
  const limit = () => OVERHEAD;
  return [
    { name: 'GGUF becomes safetensors', old: gguf, to: folder, limit },
    { name: 'safetensors becomes GGUF', old: folder, to: gguf, limit },
  ];
}

/** 64 tokens more, with rows in the embedding and the output matrix. */
function grownTokenizer(tensors: readonly Tensor[], format: string): Scenario {
  const rows = (count: number) =>
    ['token_embd.weight', 'output.weight'].map(
      (name, i): Tensor => ({ name, seed: 2000 + i, format, shape: [count, 512] }),
    );
  const version = (count: number): Version => [model([...rows(count), ...tensors], { tokens: count })];
  const added = Array.from({ length: GROWN }, (_, i) => token(TOKENS + i)).join('\0');
  const bytes = deflateRawSync(added).length + rows(GROWN).reduce((sum, each) => sum + tensorBytes(each), 0);
  return { name: '64 tokens more', old: version(TOKENS), to: version(TOKENS + GROWN), limit: () => bytes + OVERHEAD };
}

/** The device has the model in Q8_0; the new version is made from that. */
function otherQuant(tensors: readonly Tensor[]): Scenario {
  return {
    name: 'another quant, Q8_0 on the device',
    old: [model(tensors.map((each) => ({ ...each, format: 'Q8_0' })))],
    to: [model(tensors.map((each) => ({ ...each, from: 'Q8_0' })))],
    limit: () => OVERHEAD,
  };
}

/** Adapters of 16 matrices of 512 × 512 beside the model. */
function adapterScenarios(base: ModelFile): Scenario[] {
  const adapter = (rank: number, format: string, noise: readonly number[] = []): [ModelFile, number] => {
    const factors = Array.from({ length: 16 }, (_, i) => [
      { name: `blk.${i}.weight.lora_a`, seed: 3000 + i, format, shape: [rank, 512], noise },
      { name: `blk.${i}.weight.lora_b`, seed: 4000 + i, format, shape: [512, rank], noise },
    ]).flat();
    const metadata: GgufOptions['metadata'] = [
      ['general.type', 'adapter'],
      ['adapter.type', 'lora'],
      ['adapter.lora.alpha', 16],
    ];
    const file = ggufFile(factors, { role: 'adapter/legal', fileName: 'legal.gguf', metadata });
    return [file, factors.reduce((sum, each) => sum + tensorBytes(each), 0)];
  };
  const [added, bytes] = adapter(16, 'F16');
  // blocks of 32 need a rank of 32
  const [[before], [after, quantizedBytes]] = [adapter(32, 'Q4_0'), adapter(32, 'Q4_0', [0.3])];
  return [
    { name: 'an adapter of rank 16', old: [base], to: [base, added], limit: () => 1.005 * bytes + OVERHEAD },
    {
      name: 'an adapter in Q4_0 + 30% noise',
      old: [base, before],
      to: [base, after],
      limit: () => 0.75 * quantizedBytes,
    },
  ];
}
