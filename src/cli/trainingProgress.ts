/** Shows a training run: a status line on a terminal, and permanent lines for evaluations and samples. */
import { type LogLine, type Recipe, sparkline } from '../train/index.ts';
import { print } from './output.ts';

export interface TrainingProgress {
  readonly onLine: (line: LogLine) => void;
  /** Prints why the run ended. Not called after an error, whose message says so. */
  finish(): void;
  /** Removes the status line. */
  stop(): void;
}

/** Number of recent steps used for speed and remaining time. */
const RECENT = 50;
/** Minimum milliseconds between updates of the status line. */
const INTERVAL = 100;

/** @param steps total steps of the run @param quiet prints nothing to stdout */
export function trainingProgress(steps: number, quiet: boolean): TrainingProgress {
  const losses: number[] = [];
  const recent: { readonly tokens: number; readonly seconds: number }[] = [];
  let shown = 0;
  let end: string | undefined;
  /** With distillation, this loss differs from the held-out loss. */
  let lossName = 'loss';
  const { stderr } = process;
  const clear = () => {
    if (stderr.isTTY) stderr.write('\r\x1b[K');
  };
  const keep = (text: string) => {
    clear();
    if (!quiet) print(text);
  };
  const status = (step: number): string => {
    const sum = (pick: (entry: (typeof recent)[number]) => number) => recent.reduce((all, e) => all + pick(e), 0);
    const seconds = sum((entry) => entry.seconds);
    const speed = Math.round(sum((entry) => entry.tokens) / seconds).toLocaleString('en-US');
    const left = duration(((steps - step) * seconds) / recent.length);
    return `step ${step}/${steps} · ${lossName} ${losses.at(-1)!.toFixed(4)} · ${speed} tokens/s · ${left} left`;
  };
  return {
    stop: clear,
    finish() {
      if (end) keep(end);
    },
    onLine(line) {
      if (line.kind === 'step') {
        losses.push(line.loss);
        recent.push(line);
        if (recent.length > RECENT) recent.shift();
        if (!stderr.isTTY || performance.now() - shown < INTERVAL) return;
        shown = performance.now();
        const curve = sparkline(losses, Math.max(8, Math.min(40, (stderr.columns ?? 80) - 70)));
        stderr.write(`\r\x1b[K${status(line.step)} ${curve}`);
      } else if (line.kind === 'start') {
        if ((line.recipe as Partial<Recipe> | undefined)?.distillation) lossName = 'distillation loss';
        keep(`training ${line.parameters.toLocaleString('en-US')} parameters`);
      } else if (line.kind === 'evaluation') {
        const learned = recent.length > 0 ? `${status(line.step)} · ` : `step ${line.step}/${steps} · `;
        keep(`${learned}held out ${line.loss.toFixed(4)}${losses.length > 1 ? ` ${sparkline(losses, 24)}` : ''}`);
      } else if (line.kind === 'sample') {
        keep(`  ${JSON.stringify(line.prompt)} → ${JSON.stringify(line.text)}`);
      } else end = `step ${line.step}/${steps} · ${line.reason}`;
    },
  };
}

/** Formats seconds: 3725 → "1:02:05". */
function duration(seconds: number): string {
  const whole = Math.round(seconds);
  const two = (part: number) => String(part).padStart(2, '0');
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60, whole % 60];
  return hours > 0 ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
}
