/** From readings to verdicts, and how they are shown. */
import { type Readings, smaller } from './contest.ts';
import type { Figure } from './figures.ts';
import type { MachineFacts } from './machine.ts';
import type { Outcome, Outcomes } from './measure.ts';

/** One side of a figure over the rounds. */
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
  /** Of the medians: ours / against. */
  readonly ratio?: number;
  readonly result: 'pass' | 'below the bar' | 'skipped' | 'failed';
  /** Of what was skipped or failed. */
  readonly reason?: string;
}

export function judge(figure: Figure, outcomes: Outcomes): Verdict {
  const entrants = outcomes
    .get(figure.contest)!
    .filter(({ engine }) => [...figure.ours, ...figure.against].includes(engine));
  const failed = entrants.find(({ ended }) => ended?.kind === 'failed');
  if (failed) return { figure, result: 'failed', reason: `${failed.engine.name}: ${failed.ended!.reason}` };
  const ours = best(
    figure,
    entrants.filter(({ engine }) => figure.ours.includes(engine)),
  );
  const against = best(
    figure,
    entrants.filter(({ engine }) => figure.against.includes(engine)),
  );
  if (!ours || !against) {
    const { engine, ended } = entrants.find((entrant) => entrant.ended)!;
    return { figure, ours, against, result: 'skipped', reason: `${engine.name}: ${ended!.reason}` };
  }
  const ratio = ours.median / against.median;
  const { must } = figure;
  const reached = 'atLeast' in must ? ratio >= must.atLeast : ratio <= must.atMost;
  return { figure, ours, against, ratio, result: reached ? 'pass' : 'below the bar' };
}

/** The side of the engine whose median is best; undefined where none was measured. */
function best({ reading, must }: Figure, entrants: readonly Outcome[]): Side | undefined {
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

const units: Readonly<Record<keyof Readings, { readonly name: string; readonly size: number }>> = {
  prefillTokensPerSecond: { name: 'tokens/s', size: 1 },
  decodeTokensPerSecond: { name: 'tokens/s', size: 1 },
  loadSeconds: { name: 's', size: 1 },
  peakMemoryBytes: { name: 'MB', size: 1e6 },
  weightBytesPerSecond: { name: 'GB/s', size: 1e9 },
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
  const bound = 'atLeast' in figure.must ? `≥ ${figure.must.atLeast}` : `≤ ${figure.must.atMost}`;
  const said = reason === undefined ? result : `${result}: ${reason}`;
  return [figure.title, side(ours), side(against), ratio?.toFixed(2) ?? '–', bound, `${figure.aim ?? ''}`, said];
}

export interface RunFacts {
  readonly machine: MachineFacts;
  readonly rounds: number;
  readonly quick: boolean;
}

/** One line. */
export function jsonOf(verdicts: readonly Verdict[], facts: RunFacts): string {
  const rows = verdicts.map(({ figure: { name, title, contest, reading, must, aim }, ...outcome }) => {
    const { prefill, decode, runs } = facts.quick ? smaller(contest) : contest;
    return { name, title, prefill, decode, runs, reading, must, aim, ...outcome };
  });
  const counts = { passed: 0, missed: 0, skipped: 0, failed: 0 };
  const kinds = { pass: 'passed', 'below the bar': 'missed', skipped: 'skipped', failed: 'failed' } as const;
  for (const { result } of verdicts) counts[kinds[result]]++;
  return JSON.stringify({ ...facts, ...counts, figures: rows });
}
