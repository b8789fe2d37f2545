/**
 * Measures nested bits: bytes and KL divergence of one file at 8 and 4 bits beside dedicated files, the speed of both readings in real
 * shapes beside Q8_0, and what a switch costs.
 */
import { existsSync, mkdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { compare, quantize } from '../../src/compress/index.ts';
import { load, type Model } from '../../src/index.ts';
import { quantile } from '../../src/runtime/statistics.ts';
import { writePermuted } from '../shape/permuted.ts';
import { madeUp, type Shape } from './madeUp.ts';

const FOLDER = 'runs/elastic';
const TEXT = '../shared/data/text/tinystories/tiny_stories-944k.txt';
const CALIBRATION = { window: 256, windows: 128 };
const SCORED = 8192;
/** Tokens of a round of the timing. */
const TOKENS: Readonly<Record<Shape, number>> = { '135m': 24, '1b': 6 };

/** @param shapes whose speed is measured @param rounds alternating runs */
export async function benchElastic(
  file: string,
  { shapes, rounds, threads }: { shapes: readonly Shape[]; rounds: number; threads?: number },
): Promise<object> {
  const quality = existsSync(TEXT) ? await qualityOf(file, threads) : { skipped: `${TEXT} does not exist` };
  const speeds: Record<string, object> = {};
  for (const shape of shapes) speeds[shape] = await speedOf(shape, rounds, threads);
  return { quality, speeds };
}

/** @param file a model whose channels are permuted first, so that no block lies on the grid of its own quantization */
async function qualityOf(file: string, threads?: number) {
  mkdirSync(FOLDER, { recursive: true });
  const path = (name: string) => join(FOLDER, `${name}.gguf`);
  if (!existsSync(path('source'))) await writePermuted(file, path('source'));
  const text = readFileSync(TEXT, 'utf8');
  const cut = Math.floor(0.9 * text.length);
  const calibration = { ...CALIBRATION, text: text.slice(0, cut) };
  const make = async (name: string, options: object): Promise<string> => {
    if (!existsSync(path(name))) await quantize(path('source'), path(name), { type: 'Q4_0', threads, ...options });
    return path(name);
  };
  const nested = await make('nested', { nested: true, calibration });
  const four = await make('q4_0', { calibration });
  const eight = await make('q8_0', { type: 'Q8_0' });
  const measured = { text: text.slice(cut), exact: true, maxTokens: SCORED, speed: false, threads };
  const rows = await compare(path('source'), [nested, four, eight], measured);
  const [, at8, at4, alone4, alone8] = rows.map(({ kld }) => kld?.mean ?? 0) as [
    number,
    number,
    number,
    number,
    number,
  ];
  const bytes = statSync(nested).size / statSync(eight).size;
  console.log(`bytes ${bytes.toFixed(3)} × Q8_0`);
  console.log(
    `4 bits: KL ${at4.toExponential(3)}, ${(at4 / alone4).toFixed(3)} × a file of 4 bits (${alone4.toExponential(3)})`,
  );
  console.log(`8 bits: KL ${at8.toExponential(3)}, ${(at8 / alone8).toFixed(3)} × Q8_0 (${alone8.toExponential(3)})`);
  return { bytes, at4, alone4, at8, alone8 };
}

/** Alternating rounds of both readings and of a file in Q8_0. */
export async function speedOf(shape: Shape, rounds: number, threads?: number) {
  const options = { context: 512, prefixCacheBytes: 0, ...(threads !== undefined && { threads }) };
  const nested = await load(await madeUp(shape, 'nested'), options);
  const plain = await load(await madeUp(shape, 'Q8_0'), options);
  const seconds: Record<'8 bits' | '4 bits' | 'Q8_0', number[]> = { '8 bits': [], '4 bits': [], Q8_0: [] };
  const switches: number[] = [];
  for (let round = -2; round < rounds; round++)
    for (const name of ['8 bits', '4 bits', 'Q8_0'] as const) {
      const began = performance.now();
      if (name !== 'Q8_0') nested.setSubmodel(name);
      if (name !== 'Q8_0' && round >= 0) switches.push(performance.now() - began);
      const each = await tokenSeconds(name === 'Q8_0' ? plain : nested, TOKENS[shape]);
      if (round >= 0) seconds[name].push(each);
    }
  nested.dispose();
  plain.dispose();
  // ratios within a round see the same machine
  const ratio = (other: '8 bits' | 'Q8_0') =>
    quantile(
      seconds[other].map((value, i) => value / seconds['4 bits'][i]),
      0.5,
    );
  const [byEight, byPlain] = [ratio('8 bits'), ratio('Q8_0')];
  const ms = (name: keyof typeof seconds) => 1000 * quantile(seconds[name], 0.5);
  console.log(
    `${shape}: 4 bits ${ms('4 bits').toFixed(2)} ms a token, ${byEight.toFixed(2)} × as fast as 8 bits (${ms('8 bits').toFixed(2)}), ${byPlain.toFixed(2)} × as Q8_0 (${ms('Q8_0').toFixed(2)}); a switch takes ${Math.max(...switches).toFixed(3)} ms at most`,
  );
  return {
    ms4: ms('4 bits'),
    ms8: ms('8 bits'),
    msQ8_0: ms('Q8_0'),
    byEight,
    byPlain,
    switchMs: Math.max(...switches),
  };
}

async function tokenSeconds(model: Model, tokens: number): Promise<number> {
  const sequence = model.sequence();
  try {
    for (let i = 0; i < 2; i++) await sequence.next(i);
    const began = performance.now();
    for (let i = 0; i < tokens; i++) await sequence.next(i);
    return (performance.now() - began) / 1000 / tokens;
  } finally {
    sequence.free();
  }
}
