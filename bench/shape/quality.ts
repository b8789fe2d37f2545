/** KL divergence of quantized files beside llama.cpp's with an importance matrix of the same text, and with trained scales. */
import { quantize, type Trained, tune } from '../../src/compress/index.ts';
import { checkTools, quantize as quantizeByPeer } from '../peers/llamaQuantize.ts';
import { bytesOf, type Setting } from './setting.ts';

/** Parses 'Q4_K_M:pure'. */
const parsed = (named: string) => {
  const [type, way] = named.split(':') as [string, string | undefined];
  return { type, pure: way === 'pure', label: named.replace(':', '-') };
};

function barOf(type: string, setting: Setting, isTuned: boolean): number {
  if (isTuned) return 0.45;
  if (setting.options.calibrate !== undefined) return 0.8;
  return type === 'Q4_0' ? 0.6 : 0.7;
}

/** @param steps updates afterwards; 0: none @param train what they train */
export async function benchQuality(
  setting: Setting,
  types: readonly string[],
  steps = 0,
  train: Trained = 'scales',
): Promise<object[]> {
  checkTools();
  const { threads, window } = setting.options;
  const matrix = await setting.imatrix();
  const rows: object[] = [];
  for (const named of types) {
    const { type, pure, label } = parsed(named);
    const theirs = await setting.made(`llama-${label}.gguf`, (path) =>
      quantizeByPeer(setting.source, path, { type, imatrix: matrix.path, pure, threads }),
    );
    const plain = await setting.made(`espalier-${label}.gguf`, (path) =>
      quantize(setting.source, path, { type, pure, calibration: setting.calibration, threads }),
    );
    const tuned =
      steps > 0
        ? await setting.made(`espalier-${label}-${train}${steps}.gguf`, (path) =>
            tune(setting.source, plain.path, path, { text: setting.calibrating, train, window, steps, threads }),
          )
        : undefined;
    // what training with frozen integers is measured by: a file that was rounded without calibration
    const rounded = tuned
      ? await setting.made(`llama-${label}-rounded.gguf`, (path) =>
          quantizeByPeer(setting.source, path, { type, pure, threads }),
        )
      : undefined;
    const ours = tuned ?? plain;
    const [mine, peer, before, rough] = await setting.judge([
      ours.path,
      theirs.path,
      ...(rounded ? [plain.path, rounded.path] : []),
    ]);
    const [bytes, peerBytes] = [await bytesOf(ours.path), await bytesOf(theirs.path)];
    const ratio = mine.kld!.mean / peer.kld!.mean;
    const bar = barOf(type, setting, steps > 0);
    const row = {
      ...{ type: named, steps, ...(steps > 0 && { train }), tokens: mine.tokens, bytes, moreBytes: bytes - peerBytes },
      ...{ kld: mine.kld!.mean, sigma: mine.kld!.sigma, top1: mine.top1, perplexityRatio: mine.perplexityRatio },
      ...{ peerKld: peer.kld!.mean, peerSigma: peer.kld!.sigma, peerTop1: peer.top1, ratio, bar },
      isReached: ratio <= bar && bytes - peerBytes <= 1024,
      // share of the divergence that training takes away, and that all of it takes away from a file rounded without calibration
      ...(before && { closed: 1 - mine.kld!.mean / before.kld!.mean }),
      ...(rough && { closedOfRounded: 1 - mine.kld!.mean / rough.kld!.mean }),
      ...{ seconds: plain.seconds + (tuned?.seconds ?? 0), peerSeconds: theirs.seconds + matrix.seconds },
    };
    rows.push(row);
    console.log(
      `${named.padEnd(12)} ${bytes} bytes (${row.moreBytes} more)  KLD ${row.kld.toExponential(3)} ± ${row.sigma.toExponential(1)}, ` +
        `llama.cpp ${row.peerKld.toExponential(3)}: ${ratio.toFixed(3)} × (bar ${bar}) ${row.isReached ? 'reached' : 'MISSED'}, ` +
        `${row.closed === undefined ? '' : `${(100 * row.closed).toFixed(0)}% closed by training, ${(100 * row.closedOfRounded).toFixed(0)}% of rounding's, `}perplexity ${mine.perplexityRatio.toFixed(4)} ×, ` +
        `${row.seconds.toFixed(0)} s, llama.cpp ${row.peerSeconds.toFixed(0)} s`,
    );
  }
  return rows;
}
