/**
 * The list of conformance cases: every op in all relevant shapes. A backend is correct if it passes them. They are compared with
 * the reference (agreement.ts), differentiated (gradients.test.ts) and timed (bench/ops.ts).
 */
import type { Case } from './case.ts';
import { attentionCases } from './cases/attention.ts';
import { dropoutCases } from './cases/dropout.ts';
import { elementwiseCases } from './cases/elementwise.ts';
import { embedCases } from './cases/embed.ts';
import { expertCases } from './cases/experts.ts';
import { gradientCases } from './cases/gradients.ts';
import { linearCases } from './cases/linear.ts';
import { longStepCases } from './cases/longSteps.ts';
import { lossCases } from './cases/losses.ts';
import { normCases } from './cases/norms.ts';
import { recurrenceCases } from './cases/recurrences.ts';
import { ropeCases } from './cases/rope.ts';
import { rowCases } from './cases/rows.ts';
import { shortConvCases } from './cases/shortConv.ts';
import { updateCases } from './cases/updates.ts';

export const cases: readonly Case[] = [
  ...rowCases,
  ...embedCases,
  ...elementwiseCases,
  ...normCases,
  ...ropeCases,
  ...attentionCases,
  ...shortConvCases,
  ...recurrenceCases,
  ...linearCases,
  ...expertCases,
  ...dropoutCases,
  ...lossCases,
  ...updateCases,
  ...longStepCases,
  ...gradientCases,
];
