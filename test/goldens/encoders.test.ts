/** Encoders against transformers: tiny random models whose weights and outputs encoders.py has made. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ContextError, load, type Model, UnsupportedError } from '../../src/index.ts';

interface Golden {
  readonly config: Readonly<Record<string, unknown>>;
  readonly weights: Readonly<Record<string, { shape: number[]; data: string }>>;
  readonly cases: readonly { ids: number[]; hidden: number[]; types?: number[]; score?: number[] }[];
}

const goldens = JSON.parse(
  gunzipSync(readFileSync(new URL('encoders.golden.gz', import.meta.url))).toString(),
) as Record<string, Golden>;

/** A folder as transformers would save it. */
function writeFolder(folder: string, { config, weights }: Golden): void {
  const header: Record<string, unknown> = {};
  const parts: Buffer[] = [];
  let offset = 0;
  for (const [name, { shape, data }] of Object.entries(weights)) {
    const bytes = Buffer.from(data, 'base64');
    header[name] = { dtype: 'F32', shape, data_offsets: [offset, offset + bytes.length] };
    parts.push(bytes);
    offset += bytes.length;
  }
  const text = Buffer.from(JSON.stringify(header));
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  writeFileSync(join(folder, 'model.safetensors'), Buffer.concat([length, text, ...parts]));
  writeFileSync(join(folder, 'config.json'), JSON.stringify(config));
}

const backends = ['reference', 'wasm'] as const;
describe.each(Object.keys(goldens).flatMap((name) => backends.map((backend) => ({ name, backend }))))(
  'an encoder, $name on $backend',
  ({ name, backend }) => {
    const golden = goldens[name];
    let folder: string;
    let model: Model;
    beforeAll(async () => {
      folder = mkdtempSync(join(tmpdir(), 'encoder-'));
      writeFolder(folder, golden);
      model = await load(folder, { backend });
    });
    afterAll(() => {
      model?.dispose();
      rmSync(folder, { recursive: true });
    });

    it('embeds texts of different lengths as transformers does, one by one and together', async () => {
      const inputs = golden.cases.map(({ ids }) => ids);
      const together = await model.embed(inputs);
      for (const [i, { ids, hidden }] of golden.cases.entries()) {
        const alone = await model.embed(ids);
        expect(largestDifference(alone, hidden)).toBeLessThan(1e-5);
        expect(largestDifference(together[i], alone)).toBeLessThan(1e-6);
      }
    });

    it('refuses a text that is longer than it, unless it is cut', async () => {
      const long = Array.from({ length: 40 }, () => 5);
      await expect(model.embed(long)).rejects.toThrow(ContextError);
      expect(await model.embed(long, { truncate: 'end' })).toHaveLength(16);
    });

    it('pools, cuts and scales as requested', async () => {
      const { ids } = golden.cases[1];
      const whole = await model.embed(ids, { pooling: 'cls' });
      const cut = await model.embed(ids, { pooling: 'cls', dimensions: 4, normalize: true });
      const length = Math.hypot(...whole.slice(0, 4));
      expect(largestDifference(cut, [...whole.slice(0, 4)].map((value) => value / length))).toBeLessThan(1e-6);
      await expect(model.embed(ids, { dimensions: 17 })).rejects.toThrow('dimensions');
    });

    it.skipIf(!golden.cases[0].score)('scores pairs as transformers does', async () => {
      for (const { ids, types, score } of golden.cases) {
        const [found] = await model.classify([{ ids, types: types! }]);
        expect(largestDifference(found, score!)).toBeLessThan(1e-5);
      }
    });

    it('generates no text', () => {
      expect(() => model.session()).toThrow(UnsupportedError);
    });
  },
);

function largestDifference(a: ArrayLike<number>, b: ArrayLike<number>): number {
  return Math.max(...Array.from(a, (value, i) => Math.abs(value - b[i])));
}
