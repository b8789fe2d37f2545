import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { gardenText, makeModel } from '../../../scripts/models/index.ts';
import { tensorBytes } from '../../formats/checkpoint.ts';
import { openCheckpoint } from '../../formats/open.ts';
import { load } from '../../runtime/load.ts';
import type { CostTable } from '../costTable.ts';
import { paretoPage } from './paretoPage.ts';
import { type SearchedModel, searchBlocks } from './searchBlocks.ts';
import { variantOf } from './variant.ts';
import { writeVariant } from './writeVariant.ts';

const folder = mkdtempSync(join(tmpdir(), 'espalier-search-'));
afterAll(() => rmSync(folder, { recursive: true }));

/** A device whose weights cost by their bytes. */
const table: CostTable = {
  version: 1,
  device: 'made up',
  variant: 'baseline',
  kv: 'F16',
  cachedBytes: 1e6,
  streamedBytes: 1e8,
  products: [
    ['Q8_0', 2e-10],
    ['Q4_0', 1e-10],
  ].map(([format, cached]) => ({
    format: String(format),
    tokens: 1,
    call: 1e-7,
    output: 1e-9,
    cached: Number(cached),
    streamed: Number(cached),
  })),
  attention: [{ tokens: 1, call: 1e-7, pair: 1e-10, streamedByte: 0 }],
  other: [{ tokens: 1, node: 1e-8, element: 1e-10 }],
  threads: [{ tokens: 1, threads: 1, cached: 1, streamed: 1, other: 1, barrier: 0, step: 0 }],
};
const dimensions = { layers: 3, width: 64, heads: 2, kvHeads: 2, headSize: 32, ffn: 64 };

describe('versions of a model', () => {
  it('are read as any checkpoint, and written to files', async () => {
    const model = await makeModel({ architecture: 'llama', format: 'Q8_0', dimensions });
    const base = await openCheckpoint(model);
    const levels = ['source', 'dropped', 'Q4_0'];
    const output = join(folder, 'variant.gguf');
    await writeVariant(model, output, levels);
    using viewed = await load(variantOf(base, levels), { threads: 1 });
    using written = await load(output, { threads: 1 });
    expect(written.summary.formats).toMatchObject({ Q4_0: 7 });
    const texts = [viewed, written].map(async (each) => {
      using session = each.session();
      return (await session.generate([1, 5, 9], { maxTokens: 20 }).result).ids;
    });
    const [a, b] = await Promise.all(texts);
    expect(a).toEqual(b);
    expect(() => variantOf(base, ['dropped', 'dropped', 'dropped'])).toThrow(/at least one block/);
    expect(() => variantOf(base, ['source'])).toThrow(/levels is 1, expected 3/);
    const gemma = await openCheckpoint(
      await makeModel({ architecture: 'gemma3', format: 'F32', dimensions: { layers: 6 } }),
    );
    expect(() => variantOf(gemma, ['source', 'dropped', 'source', 'source', 'source', 'source'])).toThrow(
      /dropping blocks 1/,
    );
  });

  it('are searched within a time, and reported', async () => {
    const model = await makeModel({ architecture: 'llama', format: 'Q8_0', dimensions });
    const budgets = [0.95, 1];
    const result = await searchBlocks(model, {
      table,
      text: gardenText,
      budgets,
      formats: ['Q4_0'],
      tokens: 128,
      generations: 2,
    });
    expect(result.whole.kld).toBeLessThan(1e-6);
    for (const [i, found] of result.found.entries()) {
      expect(found.seconds).toBeLessThanOrEqual(1.02 * budgets[i] * result.whole.seconds);
      expect(found.levels).toHaveLength(3);
    }
    expect(result.found[1].kld).toBeLessThan(1e-6);
    expect(result.found[0].levels).not.toEqual(['source', 'source', 'source']);
    const page = paretoPage('a & b', table.device, result);
    expect(page).toContain('a &#38; b');
    expect(page.match(/<circle/g)!.length).toBeGreaterThanOrEqual(2);
    await expect(searchBlocks(model, { table, text: gardenText, budgets: [1.5] })).rejects.toThrow(/budgets is 1.5/);
    await expect(searchBlocks(model, { table, text: gardenText, budgets: [1e-6], tokens: 64 })).rejects.toThrow(
      /budgets/,
    );
  });

  it.each(['bytes', 'joules'] as const)('are searched within %s, which are those of the version', async (limit) => {
    const model = await makeModel({ architecture: 'llama', format: 'Q8_0', dimensions });
    const costOf = { bytes: (of: SearchedModel) => of.bytes, joules: (of: SearchedModel) => of.joules.value }[limit];
    const options = { table, text: gardenText, formats: ['Q4_0'], tokens: 64, generations: 1, limit };
    const result = await searchBlocks(model, { ...options, budgets: [0.9] });
    const [found] = result.found;
    expect(costOf(found) / costOf(result.whole)).toBeLessThanOrEqual(0.92);
    expect(found.joules).toMatchObject({ method: 'model', note: expect.stringMatching(/nothing was measured/) });
    expect(found.joules.low).toBeLessThan(found.joules.value);
    const output = join(folder, `${limit}.gguf`);
    await writeVariant(model, output, found.levels);
    expect(tensorBytes(await openCheckpoint(output))).toBe(found.bytes);
    const page = paretoPage('a', table.device, result);
    expect(page).toMatch(/Energies of a token: model, /);
    expect(page).toMatch({ bytes: 'megabytes of the tensors', joules: 'modelled millijoules of a token' }[limit]);
    const wrong = searchBlocks(model, { ...options, budgets: [0.9], limit: 'watts' as 'bytes' });
    await expect(wrong).rejects.toThrow(/limit is watts, expected one of seconds, bytes, joules/);
  });
});
