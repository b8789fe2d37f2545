import { scatterRows } from '../ops/scatterRows.ts';
import type { GradientRule } from './rule.ts';

export const selectRows: GradientRule = ({ label }, dy) => [() => scatterRows(dy, `${label}.dx`)];
