/** Progress bar on stderr, only on a terminal. */
import { SingleBar } from 'cli-progress';
import type { OnProgress } from '../index.ts';
import { bytesForPeople } from './output.ts';

export interface ProgressBar {
  readonly onProgress: OnProgress;
  /** Removes the bar. */
  stop(): void;
}

export function progressBar(): ProgressBar {
  if (!process.stderr.isTTY) return { onProgress() {}, stop() {} };
  const format = '{stage} {bar} {percentage}% {amount} {item}';
  const bar = new SingleBar({ format, stream: process.stderr, clearOnComplete: true, hideCursor: true, barsize: 24 });
  let shown: string | undefined;
  return {
    onProgress({ stage, done, total, unit, item = '' }) {
      const amount = unit === 'bytes' ? bytesForPeople(total) : `${total} ${unit}`;
      if (stage !== shown) {
        if (shown !== undefined) bar.stop();
        bar.start(total, done, { stage, amount, item });
        shown = stage;
      } else {
        bar.setTotal(total);
        bar.update(done, { stage, amount, item });
      }
    },
    stop() {
      if (shown !== undefined) bar.stop();
      shown = undefined;
    },
  };
}
