import { vi } from 'vitest';
import { describeAgreement } from './agreement.ts';
import { caseGroups } from './caseGroups.ts';

vi.mock('../../src/backends/wasm/threads.node.ts', async (engine) => ({
  ...(await engine<object>()),
  ...(await import('./pooledThreads.ts')),
}));

await describeAgreement(caseGroups.others, false);
