/** Runs contests: the engines alternate, round after round. */
import { type Contest, type Engine, type Figure, type Readings, type Settings, Skipped } from './contest.ts';

/** Readings of one engine in one contest. */
export interface Outcome {
  readonly engine: Engine;
  /** One per round. */
  readonly rounds: Readings[];
  /** Reason why the engine stopped early. */
  ended?: { readonly kind: 'skipped' | 'failed'; readonly reason: string };
}

export type Outcomes = ReadonlyMap<Contest, readonly Outcome[]>;

export async function measure(figures: readonly Figure[], rounds: number, settings: Settings): Promise<Outcomes> {
  const outcomes = new Map<Contest, Outcome[]>();
  for (const contest of new Set(figures.map((figure) => figure.contest))) {
    const ofContest = figures.filter((figure) => figure.contest === contest);
    const engines = new Set(ofContest.flatMap(({ ours, against }) => [...ours, ...against]));
    const entrants = Array.from(engines, (engine): Outcome => ({ engine, rounds: [] }));
    outcomes.set(contest, entrants);
    for (let round = 1; round <= rounds; round++) {
      for (const entrant of entrants.filter(({ ended }) => !ended)) {
        const told = await runOnce(entrant, contest, settings);
        console.error(`${titleOf(contest)}, round ${round} of ${rounds}, ${entrant.engine.name}: ${told}`);
      }
    }
  }
  return outcomes;
}

function titleOf({ title, work }: Contest): string {
  const numbers = Object.entries(work).map(([name, value]) => `${name} ${value}`);
  return [title, ...numbers].join(', ');
}

/** @returns a description of the result */
async function runOnce(entrant: Outcome, contest: Contest, settings: Settings): Promise<string> {
  try {
    await contest.prepare?.();
    const readings = await entrant.engine.run(contest, settings);
    entrant.rounds.push(readings);
    const numbers = Object.entries(readings).filter(([, value]) => typeof value === 'number');
    return numbers.map(([name, value]) => `${name} ${Number(value.toPrecision(4))}`).join(', ');
  } catch (error) {
    const [reason] = (error instanceof Error ? error.message : String(error)).split('\n');
    entrant.ended = { kind: error instanceof Skipped ? 'skipped' : 'failed', reason };
    return `${entrant.ended.kind}: ${reason}`;
  }
}
