/** Progress bar on stderr, only on a terminal. */
import { SingleBar } from 'cli-progress';
import type { OnProgress } from '../index.ts';
import { oneLine } from './errorLine.ts';
import { bytesForPeople } from './output.ts';

export interface ProgressBar {
  readonly onProgress: OnProgress;
  /** Removes the bar. */
  stop(): void;
}

export function progressBar(): ProgressBar {
  const bar = process.stderr.isTTY ? terminalBar() : { onProgress() {}, stop() {} };
  return {
    onProgress(progress) {
      if (!progress.notice) return bar.onProgress(progress);
      bar.stop();
      process.stderr.write(`espalier: ${oneLine(progress.notice.message)}\n`);
    },
    stop: () => bar.stop(),
  };
}

function terminalBar(): ProgressBar {
  const format = '{stage} {bar} {percentage}% {amount} {item}';
  const bar = new SingleBar({ format, stream: process.stderr, clearOnComplete: true, hideCursor: true, barsize: 24 });
  let shown: string | undefined;
  let isDownloading = false;
  return {
    onProgress({ stage, done, total, unit, item = '' }) {
      // weights are loaded while they are downloaded: the download says more
      if (stage === 'download') isDownloading = done < total;
      else if (isDownloading && stage === 'load') return;
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
