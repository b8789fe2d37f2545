import { spreadRows } from '../ops/spreadRows.ts';
import type { GradientRule } from './rule.ts';

export const selectRows: GradientRule = ({ label }, dy) => [() => spreadRows(dy, `${label}.dx`)];
