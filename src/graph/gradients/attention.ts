import type { Value } from '../graph.ts';
import type { AttentionAttributes } from '../ops/attention.ts';
import { attentionGradient } from '../ops/attentionGradient.ts';
import { columns } from '../ops/columns.ts';
import type { GradientRule } from './rule.ts';

export const attention: GradientRule<AttentionAttributes> = ({ inputs: [q, k, v, sinks], attributes, label }, dy) => {
  const [queries, keys] = [q.shape[1], k.shape[1]];
  // one node for all three gradients, added on first use
  let all: Value | undefined;
  const part = (from: number, width: number, name: string) => (): Value => {
    all ??= attentionGradient(q, k, v, dy, attributes, `${label}.dqkv`, sinks);
    return columns(all, from, width, `${label}.${name}`);
  };
  return [part(0, queries, 'dq'), part(queries, keys, 'dk'), part(queries + keys, keys, 'dv')];
};
