/** Runs the contests of figures: their engines in turn, round after round. */
import { type Contest, type Engine, type Readings, type Settings, Skipped, smaller } from './contest.ts';
import type { Figure } from './figures.ts';
import { warmPageCache } from './models.ts';

/** What came of one engine in one contest. */
export interface Outcome {
  readonly engine: Engine;
  /** One for each round. */
  readonly rounds: Readings[];
  /** Why there are no more of them. */
  ended?: { readonly kind: 'skipped' | 'failed'; readonly reason: string };
}

export type Outcomes = ReadonlyMap<Contest, readonly Outcome[]>;

export async function measure(figures: readonly Figure[], settings: Settings): Promise<Outcomes> {
  const outcomes = new Map<Contest, Outcome[]>();
  for (const contest of new Set(figures.map((figure) => figure.contest))) {
    const ofContest = figures.filter((figure) => figure.contest === contest);
    const engines = new Set(ofContest.flatMap(({ ours, against }) => [...ours, ...against]));
    const entrants = Array.from(engines, (engine): Outcome => ({ engine, rounds: [] }));
    outcomes.set(contest, entrants);
    const work = settings.quick ? smaller(contest) : contest;
    for (let round = 1; round <= settings.rounds; round++) {
      for (const entrant of entrants.filter(({ ended }) => !ended)) {
        const told = await runOnce(entrant, work, settings);
        console.error(`${titleOf(work)}, round ${round} of ${settings.rounds}, ${entrant.engine.name}: ${told}`);
      }
    }
  }
  return outcomes;
}

function titleOf({ model, prefill, decode }: Contest): string {
  return `${model.title}, ${prefill} + ${decode} tokens`;
}

/** @returns what came of it, for people */
async function runOnce(entrant: Outcome, contest: Contest, settings: Settings): Promise<string> {
  try {
    await warmPageCache(contest.model.file());
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
