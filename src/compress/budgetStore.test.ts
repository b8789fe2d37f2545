import { expect, it, vi } from 'vitest';
import { memorySource } from '../formats/sources/memory.ts';
import { BudgetStore } from './budgetStore.ts';

const { files } = vi.hoisted(() => ({ files: new Map<string, Uint8Array>() }));

// as in a page, whose folders are no paths
vi.mock('#leaf/train/checkpoint/folder', () => ({
  checkpointFolder: () => ({
    list: async () => [...files.keys()],
    open: async (file: string) => memorySource(files.get(file)!, file),
    async replace(file: string, work: (sink: object) => Promise<void>) {
      await work({ write: async (bytes: Uint8Array) => files.set(file, bytes) });
    },
  }),
}));

it('reads a search from the folder in which it is kept', async () => {
  const store = await BudgetStore.open('page/out.gguf', 'key');
  await store.putCosts('a', [1, 2]);
  expect((await BudgetStore.open('page/out.gguf', 'key')).costs('a')).toEqual([1, 2]);
  expect((await BudgetStore.open('page/out.gguf', 'other')).costs('a')).toBeUndefined();
});
