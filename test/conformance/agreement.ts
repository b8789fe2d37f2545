/** Compares every backend and variant with the reference, case by case. Several test files share the cases, so that they run beside each other. */
import { afterAll, describe, expect, it } from 'vitest';
import { reference } from '../../src/backends/reference/index.ts';
import { type Case, compare, type PreparedCase, prepare, type Results, runCase } from './case.ts';
import { availableTargets } from './targets.ts';

/** @param hasProducts false if none of the cases has a matrix product that depends on the tiles, see `onlyProducts` */
export async function describeAgreement(cases: readonly Case[], hasProducts: boolean): Promise<void> {
  const expected = new Map<Case, { prepared: PreparedCase; results: Promise<Results> }>();
  const worst = new Map<Case, { error: number; most: number; what: string }>();

  /** Results of the reference, computed once. */
  const expectedOf = (plan: Case) => {
    let found = expected.get(plan);
    if (!found) {
      const prepared = prepare(plan);
      found = { prepared, results: runCase(prepared, reference) };
      expected.set(plan, found);
    }
    return found;
  };

  const targets = (await availableTargets()).filter(({ onlyProducts }) => hasProducts || !onlyProducts);
  describe.each(targets)('$name computes what the reference does', ({ name, backend, tolerances, ...options }) => {
    it.each(cases)('$name', async (plan) => {
      const { prepared, results } = expectedOf(plan);
      const { error, output, where } = compare(prepared, await runCase(prepared, backend, options), await results);
      const most = tolerances[plan.arithmetic];
      if (!(error < (worst.get(plan)?.error ?? 0))) worst.set(plan, { error, most, what: `${output}, ${name}` });
      expect(error, `${output}: ${where}`).toBeLessThanOrEqual(most);
    });
  });

  afterAll(() => {
    const lines = [...worst].map(([plan, { error, most, what }]) => {
      return `${plan.name}: ${error.toExponential(1)} of ${most.toExponential(0)} (${what})`;
    });
    console.log(['greatest normalized squared errors', ...lines].join('\n'));
  });
}
