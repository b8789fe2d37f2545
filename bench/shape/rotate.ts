/** Quantized files with and without a rotated residual stream, at the same bytes. */
import { quantize, rotate } from '../../src/compress/index.ts';
import type { Setting } from './setting.ts';
import { writeUntied } from './untied.ts';

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
