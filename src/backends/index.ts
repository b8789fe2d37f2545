/** All backends by name; 'auto' is the fastest that runs everywhere. */
import { OptionError } from '../core/errors.ts';
import type { Backend } from '../graph/program.ts';
import { wasm } from './wasm/index.ts';

/** The reference backend. Its code is loaded when it is first used. */
const reference: Backend = {
  name: 'reference',
  async memoryNeeds(...args) {
    const { reference } = await import('./reference/index.ts');
    return reference.memoryNeeds(...args);
  },
  async compile(...args) {
    const { reference } = await import('./reference/index.ts');
    return reference.compile(...args);
  },
};

export const backends: readonly Backend[] = [wasm, reference];
export type BackendName = 'auto' | 'wasm' | 'reference';

/** @throws {OptionError} if no backend has this name */
export function backendByName(name: string = 'auto'): Backend {
  const found = name === 'auto' ? backends[0] : backends.find((backend) => backend.name === name);
  if (!found) throw new OptionError('backend', name, ['auto', ...backends.map((backend) => backend.name)].join(', '));
  return found;
}
