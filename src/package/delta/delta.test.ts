import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import { seededRandom } from '../../core/random.ts';
import type { BlockFormat } from '../../tensor/blockFormat.ts';
import { formatByName } from '../../tensor/formats.ts';
import { DeltaCoder } from './delta.ts';

/** Formats with a coder of their own. */
const coded = [
  'F32',
  'F16',
  'BF16',
  'Q8_0',
  'Q4_0',
  'Q4_1',
  'Q5_0',
  'Q5_1',
  'Q2_K',
  'Q3_K',
  'Q4_K',
  'Q5_K',
  'Q6_K',
  'TQ2_0',
];

let coder: DeltaCoder;
beforeAll(async () => {
  coder = await DeltaCoder.create();
});

/** Weights of deviation 0.02, and the same moved by noise of a share of that. */
function pair(format: BlockFormat, blocks: number, noise: number): [Uint8Array, Uint8Array] {
  const random = seededRandom(7);
  const weights = Float32Array.from({ length: blocks * format.blockSize }, () => random.normal() * 0.02);
  const moved = weights.map((weight) => weight + random.normal() * 0.02 * noise);
  return [encoded(format, weights, blocks), encoded(format, moved, blocks)];
}

function encoded(format: BlockFormat, weights: Float32Array, blocks: number): Uint8Array {
  const bytes = new Uint8Array(blocks * format.blockBytes);
  format.encode(weights, 0, bytes, 0, blocks);
  return bytes;
}

async function roundTrip(before: Uint8Array, after: Uint8Array, format?: BlockFormat): Promise<number> {
  const delta = await coder.encode(before, after, format);
  if (!delta) return after.length;
  // toEqual takes a second for a megabyte
  expect(Buffer.compare(await coder.decode(before, delta, after.length), after)).toBe(0);
  return delta.length;
}

describe.each(coded)('%s', (name) => {
  const format = formatByName(name);

  it.each([0, 0.01, 1])('comes back exactly after noise of %d', async (noise) => {
    await roundTrip(...pair(format, 400, noise), format);
  });

  it('comes back exactly from random bytes, whatever their scales are', async () => {
    await fc.assert(
      fc.asyncProperty(fc.integer({ min: 1, max: 9 }), fc.nat(), async (blocks, seed) => {
        const random = seededRandom(seed);
        const bytes = () => Uint8Array.from({ length: blocks * format.blockBytes }, () => random.integer(256));
        await roundTrip(bytes(), bytes(), format);
      }),
      { numRuns: 15, seed: 1 },
    );
  });

  it('yields an error or other bytes for a damaged delta, and never hangs', async () => {
    const [before, after] = pair(format, Math.max(60, 4096 / format.blockSize), 0.05);
    const delta = (await coder.encode(before, after, format))!;
    for (let i = 0; i < delta.length; i += Math.ceil(delta.length / 50)) {
      const damaged = delta.slice();
      damaged[i] ^= 1 << (i % 8);
      const decoded = await coder.decode(before, damaged, after.length).catch((error) => error);
      if (decoded instanceof Error) expect(decoded).toMatchObject({ code: 'BAD_DELTA' });
    }
    for (const length of [0, 1, 2, 5, 20, delta.length - 1])
      await expect(coder.decode(before, delta.slice(0, length), after.length)).rejects.toMatchObject({
        code: 'BAD_DELTA',
      });
  });
});

it('needs less than the entropy of plain differences for Q4_0', async () => {
  const format = formatByName('Q4_0');
  for (const [noise, most] of [
    [0.001, 0.023],
    [0.01, 0.094],
    [0.1, 0.38],
  ] as const) {
    const [before, after] = pair(format, 8192, noise);
    expect(await roundTrip(before, after, format)).toBeLessThan(most * after.length);
  }
});

it('costs nothing in the codes of a block whose scale changes its sign', async () => {
  const format = formatByName('Q4_0');
  const [before] = pair(format, 4096, 0);
  const after = before.slice();
  for (let block = 0; block < 4096; block += 3) {
    after[block * 18 + 1] ^= 0x80;
    for (let i = 2; i < 18; i++) {
      const byte = before[block * 18 + i];
      const mirrored = (code: number) => Math.min(15, 16 - code);
      after[block * 18 + i] = mirrored(byte & 15) | (mirrored(byte >> 4) << 4);
    }
  }
  expect(await roundTrip(before, after, format)).toBeLessThan(1200);
});

it('codes new floats by sign and exponent, and zeros that stay zeros in nothing', async () => {
  for (const [name, most] of [
    ['F16', 0.84],
    ['BF16', 0.71],
    ['F32', 0.84],
  ] as const) {
    const format = formatByName(name);
    const [after] = pair(format, 20_000, 0);
    after.fill(0, 0, after.length / 2);
    const zeros = new Uint8Array(after.length);
    expect(await roundTrip(zeros, after, format)).toBeLessThan((most / 2) * after.length + 20_000 / 8 + 1000);
    expect(await roundTrip(after, after, format)).toBeLessThan(200);
  }
});

describe('bytes without a format', () => {
  const random = seededRandom(3);
  const before = Uint8Array.from({ length: 200_000 }, () => random.integer(256));

  it('finds what was inserted, removed and moved', async () => {
    const after = Uint8Array.from([
      ...before.subarray(150_000, 200_000),
      ...new TextEncoder().encode('a few new words'),
      ...before.subarray(0, 70_001),
      ...before.subarray(70_013, 150_000),
    ]);
    expect(await roundTrip(before, after)).toBeLessThan(60);
  });

  it('comes back exactly for any edits', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.nat(2000), fc.nat(300), fc.uint8Array({ maxLength: 40 })), { maxLength: 8 }),
        async (edits) => {
          let after = before.slice(0, 2000);
          for (const [at, removed, inserted] of edits)
            after = Uint8Array.from([...after.subarray(0, at), ...inserted, ...after.subarray(at + removed)]);
          await roundTrip(before.slice(0, 2000), after);
        },
      ),
      { numRuns: 60, seed: 2 },
    );
  });

  it('comes back exactly from copies of 16 bytes, the most instructions that there can be', async () => {
    const after = Uint8Array.from(
      { length: 64_000 },
      (_, i) => before[(7919 * ((i >> 4) % 4000) * 16 + (i % 16)) % 199_984],
    );
    await roundTrip(before, after);
  });

  it('has no delta where it would not be smaller', async () => {
    expect(await coder.encode(new Uint8Array(0), before)).toBeUndefined();
  });

  it('refuses a patch that inflates beyond its piece', async () => {
    const bomb = await coder.encode(new Uint8Array(0), new Uint8Array(3_000_000));
    await expect(coder.decode(new Uint8Array(0), bomb!, 1000)).rejects.toMatchObject({ code: 'BAD_DELTA' });
  });

  it('refuses an unknown coder', async () => {
    await expect(coder.decode(before, Uint8Array.of(99, 1, 2), 3)).rejects.toThrow('unknown kind, 99');
  });
});
