import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { gardenText, makeModel } from '../../scripts/models/index.ts';
import { isWeight, type WeightAttributes } from '../graph/graph.ts';
import { weightBytes } from '../graph/ops/weight.ts';
import type { BlockFormat } from '../tensor/blockFormat.ts';
import { cardPage } from './card/cardPage.ts';
import type { DecodeMeter } from './decodeCosts.ts';
import { type QuantizeOptions, quantize } from './quantize.ts';
import { shape } from './recipe/shape.ts';

const folder = mkdtempSync(join(tmpdir(), 'espalier-limit-'));
const path = (name: string) => join(folder, name);
const source = path('source.gguf');

/** Rows are no whole super-blocks, so there are five formats. */
const dimensions = { width: 96, heads: 3, kvHeads: 1, headSize: 32, ffn: 160 };

beforeAll(async () => {
  writeFileSync(source, await makeModel({ architecture: 'llama', format: 'F32', dimensions }));
});
afterAll(() => rmSync(folder, { recursive: true }));

/** Picoseconds per weight: as many as bits times ten, but Q5_0 and Q5_1 are slower than Q8_0, as without a good kernel for them. */
const picoseconds = ({ name, blockBytes, blockSize }: BlockFormat): number =>
  /^Q5/.test(name) ? 150 : (80 * blockBytes) / blockSize;

/** Costs that do not add up exactly: a larger model is slower per weight. */
const meter: DecodeMeter = (request) => meterWith()(request);
const meterWith =
  (memory?: number): DecodeMeter =>
  async ({ graph, device }) => ({
    device: device ?? 'a toy',
    tokenCost(formatOf) {
      let [seconds, bytes] = [1e-6, 0];
      for (const node of graph.live()) {
        const matrix = node.op.name === 'linear' ? node.inputs[1] : undefined;
        if (!matrix || !isWeight(matrix)) continue;
        const { tensor, format: own } = matrix.attributes as WeightAttributes;
        const format = formatOf(tensor) ?? own;
        const elements = (weightBytes(matrix) / own.blockBytes) * own.blockSize;
        seconds += 1e-12 * picoseconds(format) * elements;
        bytes += (elements / format.blockSize) * format.blockBytes;
      }
      seconds *= 1 + bytes / 1e7;
      const joules = { value: 2 * seconds, low: seconds, high: 3 * seconds, method: 'model', note: 'made up' } as const;
      const fits = memory === undefined ? undefined : bytes <= memory;
      return { seconds, fits, ...(device !== 'unknown' && { joules }) };
    },
  });

function renamed(device: string): DecodeMeter {
  return async (request) => ({ ...(await meter(request)), device });
}

const calibration = { text: gardenText, window: 64, windows: 4 };
const run = (output: string, options: Partial<QuantizeOptions>) =>
  quantize(source, path(output), { calibration, meter, generations: 0, ...options });

/** Milliseconds of a token in one format. */
async function msOf(format: string): Promise<number> {
  const { decode } = await run('', { maxMs: 1000, dryRun: true, tensorTypes: [['', format]] });
  return decode!.ms;
}

describe('a limit on the time of a token', () => {
  it('is kept and used, with formats that are neither slower nor worse than another', async () => {
    const [least, most] = [await msOf('Q4_0'), await msOf('Q8_0')];
    const maxMs = (least + most) / 2;
    const { decode, tensors } = await run('quick.gguf', { maxMs, generations: 1 });
    expect(decode!.maxMs).toBe(maxMs);
    expect(decode!.device).toBe('a toy');
    expect(decode!.ms).toBeLessThanOrEqual(maxMs);
    expect(decode!.ms).toBeGreaterThan(least + 0.7 * (maxMs - least));
    const formats = new Set(tensors.filter(({ shape: { length } }) => length > 1).map(({ format }) => format));
    expect(formats.size).toBeGreaterThan(1);
    for (const slower of ['Q5_0', 'Q5_1']) expect(formats).not.toContain(slower);
    // rows of the embedding are copied, not multiplied, so more bits of it take no time
    expect(tensors.find(({ name }) => name === 'token_embd.weight')!.format).toBe('Q8_0');
  });

  it('takes the best formats if they are fast enough, and only the fastest if it is tight', async () => {
    const [least, most] = [await msOf('Q4_0'), await msOf('Q8_0')];
    const formatsIn = async (maxMs: number) => {
      const { tensors } = await run('', { maxMs, dryRun: true });
      return new Set(
        tensors.filter(({ name }) => /^blk.*weight$/.test(name) && !/norm/.test(name)).map((each) => each.format),
      );
    };
    expect([...(await formatsIn(1.001 * most))]).toEqual(['Q8_0']);
    expect([...(await formatsIn(least))]).toEqual(['Q4_0']);
  });

  it('that is too small is refused with the least that can be reached', async () => {
    const before = readdirSync(folder);
    const refused = run('refused.gguf', { maxMs: 1e-4 });
    await expect(refused).rejects.toThrow(
      /maxMs is 0.0001, expected at least [\d.e-]+ ms per token, .* fastest format on a toy/,
    );
    const message = await refused.then(String, String);
    const least = Number(/at least ([\d.e-]+) ms/.exec(message)![1]);
    const { decode } = await run('', { maxMs: least, dryRun: true });
    expect(decode!.ms).toBeLessThanOrEqual(least);
    expect(decode!.ms).toBeGreaterThan(0.98 * least);
    expect(readdirSync(folder)).toEqual(before);
  });

  it('has formats that fit into the memory, or is refused', async () => {
    const sizes: number[] = [];
    const matricesOf = async (memory: number) => {
      const { tensors } = await run('', { maxMs: 1000, dryRun: true, meter: meterWith(memory) });
      return tensors.filter(({ name, shape: { length } }) => length > 1 && name !== 'token_embd.weight');
    };
    for (const memory of [1e9, 2e5]) {
      const all = await matricesOf(memory);
      sizes.push(all.reduce((sum, { bytes }) => sum + bytes, 0));
      expect(sizes.at(-1)).toBeLessThanOrEqual(memory);
    }
    expect(sizes[1]).toBeLessThan(sizes[0]);
    await expect(matricesOf(1000)).rejects.toThrow(/device is a toy, .* do not fit into the memory of a toy/);
  });

  it('gives the same file again after an interruption', async () => {
    const options = { maxMs: ((await msOf('Q4_0')) + (await msOf('Q8_0'))) / 2 };
    await run('whole.gguf', options);
    const controller = new AbortController();
    const onProgress = ({ stage }: { stage: string }) => {
      if (stage === 'quantize') controller.abort(new Error('enough'));
    };
    await expect(run('again.gguf', { ...options, signal: controller.signal, onProgress })).rejects.toThrow('enough');
    await run('again.gguf', options);
    expect(readFileSync(path('again.gguf')).equals(readFileSync(path('whole.gguf')))).toBe(true);
  });
});

describe('a limit on the energy of a token', () => {
  it('is kept, and said in the card', async () => {
    const maxJoules = (2e-3 * ((await msOf('Q4_0')) + (await msOf('Q8_0')))) / 2;
    const { decode, bytes } = await run('frugal.gguf', { maxJoules });
    expect(decode!.joules!.value).toBeLessThanOrEqual(maxJoules);
    expect(decode!.maxJoules).toBe(maxJoules);
    const quality = { text: { name: 'a', characters: 1, sha256: '' }, exact: true, source: { perplexity: 1 } };
    const model = { name: 'm', bytes, sha256: '' };
    const measured = { perplexity: 1, perplexityRatio: 1, tokens: 1 };
    const result = { type: 'Q4_0', tensors: [], bytes, bitsPerWeight: 5, memoryBytes: 0, seconds: 0, decode };
    const card = {
      model,
      source: model,
      recipe: {},
      stages: [],
      result,
      prompts: [],
      quality: { ...quality, model: measured },
    };
    expect(cardPage(card as unknown as Parameters<typeof cardPage>[0])).toContain(
      `at most ${maxJoules} J per token; predicted `,
    );
    expect(cardPage(card as unknown as Parameters<typeof cardPage>[0])).toMatch(
      / J \(between \S+ and \S+; model: made up\)/,
    );
  });

  it('that cannot be reached names the least with its bounds and its origin', async () => {
    await expect(run('', { maxJoules: 1e-9, dryRun: true })).rejects.toThrow(
      /expected at least \S+ J per token \(between \S+ and \S+; model: made up\), with which/,
    );
  });

  it('is refused where nothing is known of it', async () => {
    await expect(run('', { maxJoules: 1, device: 'unknown', dryRun: true })).rejects.toThrow(
      /maxJoules is 1, expected no value: nothing is known of the energy that unknown needs/,
    );
  });
});

it('a recipe has limits, with the device beside it', async () => {
  const devices: (string | undefined)[] = [];
  const listening: DecodeMeter = (request) => {
    devices.push(request.device);
    return meter(request);
  };
  writeFileSync(path('text.txt'), gardenText);
  writeFileSync(path('toy.json'), '1');
  const maxMs = await msOf('Q8_0');
  const stages = [{ quantize: { maxMs, device: 'toy.json', generations: 0 } }];
  const recipe = {
    source,
    output: path('shaped.gguf'),
    calibration: { text: path('text.txt'), window: 64, windows: 4 },
  };
  writeFileSync(path('recipe.json'), JSON.stringify({ ...recipe, stages }));
  const planned = await shape(path('recipe.json'), { meter: listening, dryRun: true });
  const { stages: done } = await shape(path('recipe.json'), { meter: listening });
  for (const { result } of [planned.stages[0], done[0]]) expect(result).toMatchObject({ decode: { maxMs } });
  expect(new Set(devices)).toEqual(new Set([path('toy.json')]));
});

it.each([
  ['another content of the device file', 'toy.json', () => writeFileSync(path('toy.json'), '2'), meter],
  ['another device', undefined, () => {}, renamed('another toy')],
] as const)('an interrupted recipe is not continued for %s', async (_, device, change, changed) => {
  writeFileSync(path('text.txt'), gardenText);
  writeFileSync(path('toy.json'), '1');
  const quantized = { quantize: { maxMs: await msOf('Q8_0'), device, generations: 0 } };
  const calibration = { text: path('text.txt'), window: 64, windows: 4 };
  const recipe = { source, output: path('moved.gguf'), calibration };
  const stages = [quantized, { quantize: { type: 'Q8_0', allowRequantize: true } }];
  writeFileSync(path('recipe.json'), JSON.stringify({ ...recipe, stages }));
  /** What the first stage does, in a run that ends at the second. */
  const firstOf = async (own: DecodeMeter) => {
    const states: string[] = [];
    const onStage = (_: string, state: string) => {
      states.push(state);
      if (states.length > 1) throw new Error('enough');
    };
    await expect(shape(path('recipe.json'), { meter: own, onStage })).rejects.toThrow('enough');
    return states[0];
  };
  expect([await firstOf(meter), await firstOf(meter)]).toEqual(['runs', 'was done before']);
  change();
  expect(await firstOf(changed)).toBe('runs');
});

it.each([
  ['without a meter', { maxMs: 1, meter: undefined }, /meter is missing, expected one beside maxMs: decodeMeter\(\)/],
  ['beside a type', { type: 'Q4_0', maxMs: 1 }, /given beside maxMs, expected exactly one/],
  ['of both kinds', { maxMs: 1, maxJoules: 1 }, /maxMs is given beside maxJoules/],
  ['of nothing', { maxMs: 0 }, /maxMs is 0/],
  ['without a text', { maxMs: 1, calibration: undefined }, /calibration is missing/],
  ['as a device without it', { targetBits: 5, device: 'a.json' }, /device is a.json, expected no value without maxMs/],
] as [string, Partial<QuantizeOptions>, RegExp][])('a limit %s is refused', async (_, options, message) => {
  await expect(run('', { dryRun: true, ...options })).rejects.toThrow(message);
});
