/** KL divergence of quantized files beside AutoRound's, which rounds by gradients and writes GGUF on the processor too. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { quantize, tune } from '../../src/compress/index.ts';
import { runPython } from '../peers/python.ts';
import { bytesOf, type Setting } from './setting.ts';

const BAR = 1;
/** AutoRound's names of the types that both make. */
const names: Readonly<Record<string, string>> = {
  Q4_0: 'q4_0',
  Q4_K_S: 'q4_k_s',
  Q4_K_M: 'q4_k_m',
  Q3_K_M: 'q3_k_m',
  Q2_K_S: 'q2_k_s',
};

/**
 * Both train what a format keeps: AutoRound its rounding, ours the scales.
 * @param python with auto-round @param iterations of its rounding, per block @param steps updates of our scales
 */
export async function benchAutoRound(
  setting: Setting,
  types: readonly string[],
  python: string,
  iterations: number,
  steps: number,
): Promise<object[]> {
  const { threads, window, windows } = setting.options;
  const text = join(setting.folder, 'autoround.txt');
  await writeFile(text, setting.calibrating);
  const rows: object[] = [];
  for (const type of types) {
    const name = names[type];
    if (name === undefined) throw new Error(`${type}: AutoRound is run for ${Object.keys(names).join(', ')}`);
    const theirs = await setting.made(`autoround${iterations}-${type}.gguf`, (path) =>
      runPython(python, 'autoRound.py', [setting.source, text, path, name, window, windows, iterations]),
    );
    const plain = await setting.made(`espalier-${type}.gguf`, (path) =>
      quantize(setting.source, path, { type, calibration: setting.calibration, threads }),
    );
    const tuned = await setting.made(`espalier-${type}-scales${steps}.gguf`, (path) =>
      tune(setting.source, plain.path, path, { text: setting.calibrating, train: 'scales', window, steps, threads }),
    );
    const [mine, peer, before] = await setting.judge([tuned.path, theirs.path, plain.path]);
    const [bytes, peerBytes] = [await bytesOf(tuned.path), await bytesOf(theirs.path)];
    const [kld, peerKld, plainKld] = [mine, peer, before].map((each) => each.kld!.mean);
    const ratio = kld / peerKld;
    const isReached = ratio <= BAR && bytes <= peerBytes + 1024;
    const seconds = plain.seconds + tuned.seconds;
    rows.push({
      ...{ type, iterations, steps, tokens: mine.tokens, bytes, peerBytes, kld, plainKld, peerKld, ratio },
      ...{ bar: BAR, isReached, seconds, plainSeconds: plain.seconds, peerSeconds: theirs.seconds },
    });
    console.log(
      `${type.padEnd(8)} ${bytes} bytes, AutoRound ${peerBytes}; KLD ${kld.toExponential(3)} (${plainKld.toExponential(3)} without training), AutoRound ${peerKld.toExponential(3)}: ` +
        `${ratio.toFixed(3)} × (bar ${BAR}) ${isReached ? 'reached' : 'MISSED'}, ${seconds.toFixed(0)} s (${plain.seconds.toFixed(0)} s), AutoRound ${theirs.seconds.toFixed(0)} s`,
    );
  }
  return rows;
}
