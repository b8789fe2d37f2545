/** Mixed bits at the bytes of a uniform file: how much of the way to the next larger format they go. */
import { quantize } from '../../src/compress/index.ts';
import { bytesOf, type Setting } from './setting.ts';

const BAR = 0.45;
/** Type, the next larger one, and whether both are pure. On Sapling they are Q4_K_M's, 3.5 and 2.7 bits per weight. */
const steps = [
  ['Q4_K_M', 'Q5_K_M', false],
  ['Q3_K_M', 'Q4_K_M', true],
  ['Q2_K', 'Q3_K_M', true],
] as const;

export async function benchMixedBits(setting: Setting, only: readonly string[]): Promise<object[]> {
  const { threads } = setting.options;
  const rows: object[] = [];
  for (const [type, next, pure] of steps) {
    if (only.length > 0 && !only.includes(type)) continue;
    const label = (name: string) => `${name}${pure ? '-pure' : ''}`;
    const common = { calibration: setting.calibration, threads };
    const uniform = (name: string) =>
      setting.made(`espalier-${label(name)}.gguf`, (path) =>
        quantize(setting.source, path, { ...common, type: name, pure }),
      );
    const [small, large] = [await uniform(type), await uniform(next)];
    const mixed = await setting.made(`espalier-${label(type)}-like.gguf`, (path) =>
      quantize(setting.source, path, { ...common, like: type, pure }),
    );
    const found = await setting.judge([small.path, mixed.path, large.path]);
    const [a, b, c] = found.map(({ kld }) => kld!.mean) as [number, number, number];
    const closed = (a - b) / (a - c);
    const [bytes, uniformBytes] = [await bytesOf(mixed.path), await bytesOf(small.path)];
    rows.push({
      ...{ type: label(type), next, bytes, uniformBytes, kld: b, uniformKld: a, nextKld: c, closed, bar: BAR },
      perplexityRatio: found[1].perplexityRatio,
      ...{ isReached: closed >= BAR && bytes <= uniformBytes + 1024, seconds: mixed.seconds },
    });
    console.log(
      `${label(type)}: uniform ${a.toExponential(3)}, mixed ${b.toExponential(3)} at ${bytes - uniformBytes} more bytes, ` +
        `${label(next)} ${c.toExponential(3)}: ${(100 * closed).toFixed(0)}% closed (bar ${100 * BAR}%), perplexity × ${found[1].perplexityRatio.toFixed(3)}, ${mixed.seconds.toFixed(0)} s`,
    );
  }
  return rows;
}
