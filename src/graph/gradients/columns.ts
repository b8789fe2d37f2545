import type { ColumnsAttributes } from '../ops/columns.ts';
import { spreadColumns } from '../ops/spreadColumns.ts';
import type { GradientRule } from './rule.ts';

export const columns: GradientRule<ColumnsAttributes> = ({ inputs: [x], attributes: { from }, label }, dy) => [
  () => spreadColumns(dy, from, x!.shape[1], `${label}.dx`),
];
