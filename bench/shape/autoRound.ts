/** KL divergence of quantized files beside AutoRound's, which rounds by gradients and writes GGUF on the processor too. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { quantize } from '../../src/compress/index.ts';
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

/** @param python with auto-round @param iterations of its rounding, per block */
export async function benchAutoRound(
  setting: Setting,
  types: readonly string[],
  python: string,
  iterations: number,
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
    const ours = await setting.made(`espalier-${type}.gguf`, (path) =>
      quantize(setting.source, path, { type, calibration: setting.calibration, threads }),
    );
    const [mine, peer] = await setting.judge([ours.path, theirs.path]);
    const [bytes, peerBytes] = [await bytesOf(ours.path), await bytesOf(theirs.path)];
    const ratio = mine.kld!.mean / peer.kld!.mean;
    rows.push({
      ...{
        type,
        iterations,
        tokens: mine.tokens,
        bytes,
        peerBytes,
        kld: mine.kld!.mean,
        peerKld: peer.kld!.mean,
        ratio,
      },
      ...{ bar: BAR, isReached: ratio <= BAR, seconds: ours.seconds, peerSeconds: theirs.seconds },
    });
    console.log(
      `${type.padEnd(8)} ${bytes} bytes, AutoRound ${peerBytes}; KLD ${mine.kld!.mean.toExponential(3)}, AutoRound ${peer.kld!.mean.toExponential(3)}: ` +
        `${ratio.toFixed(3)} × (bar ${BAR}) ${ratio <= BAR ? 'reached' : 'MISSED'}, ${ours.seconds.toFixed(0)} s, AutoRound ${theirs.seconds.toFixed(0)} s`,
    );
  }
  return rows;
}
