/** The plans of a loaded model: its submodels on its numbers of threads, each measured for a moment. */

import type { Model } from '../runtime/model.ts';
import type { Pacer } from '../runtime/pacer.ts';
import { assumedPower } from './energy.ts';
import type { Plan } from './plan.ts';

/** Milliseconds for each number of threads, and the rounds that it takes at least. */
const [MEASURING, MIN_ROUNDS] = [30, 3];
const WARM_UP = 2;

/** @returns at least one plan */
export async function plansOf(model: Model): Promise<Plan[]> {
  const most = Number(model.backend.settings.threads ?? 1);
  const counts = [...new Set([1, 2, 4, 8, most])].filter((count) => count <= most).sort((a, b) => a - b);
  const submodels = model.submodelQualities;
  const plans: Plan[] = [];
  for (const submodel of submodels)
    for (const threads of counts) {
      const seconds = await secondsOf(model, threads, submodel.name);
      plans.push(planOf(threads, seconds, submodels.length > 1 ? submodel : undefined));
    }
  return plans;
}

function planOf(
  threads: number,
  seconds: number,
  submodel?: { readonly name: string; readonly quality: number },
): Plan {
  const count = threads === 1 ? '1 thread' : `${threads} threads`;
  const power = assumedPower(threads);
  if (!submodel) return { name: count, threads, quality: 1, seconds, power };
  const { name, quality } = submodel;
  return { name: `${count}, ${name}`, threads, submodel: name, quality, seconds, power };
}

/** The best of a few steps of one token, so that what disturbs them now does not count for ever. */
async function secondsOf(model: Model, threads: number, submodel: string): Promise<number> {
  const only: Pacer = { wait: () => 0, threads: () => threads, submodel: () => submodel, observe: () => undefined };
  model.setPacer(only);
  const sequence = model.sequence();
  try {
    let best = Number.POSITIVE_INFINITY;
    const end = performance.now() + MEASURING;
    for (let round = -WARM_UP; round < MIN_ROUNDS || performance.now() < end; round++) {
      if (sequence.tokens.length >= Math.min(model.context, 32)) sequence.rewind(0);
      const started = performance.now();
      await sequence.next(0);
      if (round >= 0) best = Math.min(best, (performance.now() - started) / 1000);
    }
    return Math.max(best, 1e-6);
  } finally {
    sequence.free();
    model.setPacer(undefined);
  }
}
