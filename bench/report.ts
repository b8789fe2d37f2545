/** Turns readings into verdicts and prints them. */
import type { Engine, Figure, Readings } from './contest.ts';
import type { MachineFacts } from './machine.ts';
import type { Outcome, Outcomes } from './measure.ts';

/** One side of a figure, over all rounds. */
export interface Side {
  readonly engine: string;
  readonly median: number;
  readonly min: number;
  readonly max: number;
}

export interface Verdict {
  readonly figure: Figure;
  readonly ours?: Side;
  readonly against?: Side;
  /** Ratio of the medians: ours / against. */
  readonly ratio?: number;
  readonly result: 'pass' | 'below the bar' | 'skipped' | 'failed';
  /** Reason of a skipped or failed figure. */
  readonly reason?: string;
}

export function judge(figure: Figure, outcomes: Outcomes): Verdict {
  const entrants = outcomes
    .get(figure.contest)!
    .filter(({ engine }) => [...figure.ours, ...figure.against].includes(engine));
  const failed = entrants.find(({ ended }) => ended?.kind === 'failed');
  if (failed) return { figure, result: 'failed', reason: `${failed.engine.name}: ${failed.ended!.reason}` };
  const ours = best(figure, figure.reading, entrantsOf(entrants, figure.ours));
  const against = best(figure, figure.againstReading ?? figure.reading, entrantsOf(entrants, figure.against));
  if (!ours || !against) {
    const { engine, ended } = entrants.find((entrant) => entrant.ended)!;
    return { figure, ours, against, result: 'skipped', reason: `${engine.name}: ${ended!.reason}` };
  }
  const ratio = ours.median / against.median;
  return { figure, ours, against, ratio, result: isReached(figure.must, ratio) ? 'pass' : 'below the bar' };
}

function isReached(must: Figure['must'], ratio: number): boolean {
  if ('within' in must) return Math.abs(ratio - 1) <= must.within;
  return 'atLeast' in must ? ratio >= must.atLeast : ratio <= must.atMost;
}

function entrantsOf(entrants: readonly Outcome[], engines: readonly Engine[]): readonly Outcome[] {
  return entrants.filter(({ engine }) => engines.includes(engine));
}

/** Returns the engine with the best median, or undefined if none was measured. */
function best({ must }: Figure, reading: keyof Readings, entrants: readonly Outcome[]): Side | undefined {
  const better =
    'atLeast' in must ? (a: Side, b: Side) => b.median - a.median : (a: Side, b: Side) => a.median - b.median;
  return entrants
    .filter(({ ended }) => !ended)
    .map(({ engine, rounds }) => sideOf(engine.name, rounds, reading))
    .sort(better)[0];
}

function sideOf(engine: string, rounds: readonly Readings[], reading: keyof Readings): Side {
  const values = rounds.map((round) => round[reading]!).sort((a, b) => a - b);
  const middle = values.length / 2;
  const median = (values[Math.ceil(middle) - 1] + values[Math.floor(middle)]) / 2;
  return { engine, median, min: values[0], max: values.at(-1)! };
}

const gigaflops = { name: 'GFLOP/s', size: 1e9 };

const units: Readonly<Record<keyof Readings, { readonly name: string; readonly size: number }>> = {
  prefillTokensPerSecond: { name: 'tokens/s', size: 1 },
  decodeTokensPerSecond: { name: 'tokens/s', size: 1 },
  loadSeconds: { name: 's', size: 1 },
  peakMemoryBytes: { name: 'MB', size: 1e6 },
  weightBytesPerSecond: { name: 'GB/s', size: 1e9 },
  learnedTokensPerSecond: { name: 'tokens/s', size: 1 },
  loss: { name: 'nats', size: 1 },
  stepFlopsPerSecond: gigaflops,
  learningMemoryBytes: { name: 'MB', size: 1e6 },
  neededMemoryBytes: { name: 'MB', size: 1e6 },
  forwardFlopsPerSecond: gigaflops,
  inputGradientFlopsPerSecond: gigaflops,
  weightGradientFlopsPerSecond: gigaflops,
  peakFlopsPerSecond: gigaflops,
};

export function tableOf(verdicts: readonly Verdict[]): string {
  const head = ['figure', 'ours: median (min–max)', 'against', 'ratio', 'must', 'aim', 'result'];
  const rows = [head, ...verdicts.map(rowOf)];
  const widths = head.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  return rows
    .map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column]))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

function rowOf({ figure, ours, against, ratio, result, reason }: Verdict): string[] {
  const unit = units[figure.reading];
  const digits = (value: number) => (value / unit.size >= 100 ? 0 : value / unit.size >= 10 ? 1 : 2);
  const show = (value: number) => (value / unit.size).toFixed(digits(value));
  const side = (of?: Side) =>
    of ? `${show(of.median)} (${show(of.min)}–${show(of.max)}) ${unit.name}, ${of.engine}` : '–';
  const said = reason === undefined ? result : `${result}: ${reason}`;
  return [
    figure.title,
    side(ours),
    side(against),
    ratio?.toFixed(2) ?? '–',
    boundOf(figure.must),
    `${figure.aim ?? ''}`,
    said,
  ];
}

function boundOf(must: Figure['must']): string {
  if ('within' in must) return `1 ± ${must.within}`;
  return 'atLeast' in must ? `≥ ${must.atLeast}` : `≤ ${must.atMost}`;
}

export interface RunFacts {
  readonly machine: MachineFacts;
  readonly rounds: number;
  readonly quick: boolean;
}

/** Prints the verdicts as one line of JSON. */
export function jsonOf(verdicts: readonly Verdict[], facts: RunFacts): string {
  const rows = verdicts.map(({ figure, ...outcome }) => {
    const { name, title, contest, reading, againstReading, must, aim } = figure;
    return { name, title, ...contest.work, reading, againstReading, must, aim, ...outcome };
  });
  const counts = { passed: 0, missed: 0, skipped: 0, failed: 0 };
  const kinds = { pass: 'passed', 'below the bar': 'missed', skipped: 'skipped', failed: 'failed' } as const;
  for (const { result } of verdicts) counts[kinds[result]]++;
  return JSON.stringify({ ...facts, ...counts, figures: rows });
}
