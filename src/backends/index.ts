/** Backends by name. */
import type { Backend } from '../graph/program.ts';
import { reference } from './reference/index.ts';

export const backendNames = ['auto', 'wasm', 'reference'] as const;

export function backendByName(_name: (typeof backendNames)[number]): Backend {
  return reference;
}
