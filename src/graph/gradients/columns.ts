import type { ColumnsAttributes } from '../ops/columns.ts';
import { scatterColumns } from '../ops/scatterColumns.ts';
import type { GradientRule } from './rule.ts';

export const columns: GradientRule<ColumnsAttributes> = ({ inputs: [x], attributes: { from, groups }, label }, dy) => [
  () => scatterColumns(dy, from, x.shape[1], `${label}.dx`, groups),
];
