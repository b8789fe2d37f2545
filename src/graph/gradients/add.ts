import type { GradientRule } from './rule.ts';

export const add: GradientRule = (_, dy) => [() => dy, () => dy];
