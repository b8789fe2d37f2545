/** The cases by the test file that runs them. Files run beside each other and take about the same time. */
import type { Case } from './case.ts';
import { attentionCases } from './cases/attention.ts';
import { expertCases } from './cases/experts.ts';
import { linearCases } from './cases/linear.ts';
import { longStepCases } from './cases/longSteps.ts';
import { cases } from './cases.ts';

const [attention, products] = [attentionCases, [...linearCases, ...longStepCases, ...expertCases]];

export const caseGroups: Readonly<Record<'attention' | 'products' | 'others', readonly Case[]>> = {
  attention,
  products,
  others: cases.filter((plan) => !attention.includes(plan) && !products.includes(plan)),
};
