import type { AttentionAttributes } from '../ops/attention.ts';
import { attentionInput } from '../ops/attentionInput.ts';
import { columns } from '../ops/columns.ts';
import type { GradientRule } from './rule.ts';

export const attention: GradientRule<AttentionAttributes> = ({ inputs: [q, k, v], attributes, label }, dy) => {
  const all = attentionInput(q!, k!, v!, dy, attributes, `${label}.dqkv`);
  const [queries, keys] = [q!.shape[1], k!.shape[1]];
  return [
    () => columns(all, 0, queries, `${label}.dq`),
    () => columns(all, queries, keys, `${label}.dk`),
    () => columns(all, queries + keys, keys, `${label}.dv`),
  ];
};
