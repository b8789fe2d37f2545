/** Unstructured and N:M pruning: Wanda and SparseGPT beside magnitude pruning on the same model. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type PruningMethod, prune } from '../../src/compress/index.ts';
import { runPython } from '../peers/python.ts';
import type { Setting } from './setting.ts';

/**
 * Perplexities of Llama-2-7B relative to magnitude pruning (Wanda: Sun et al. 2023): wanda and sparsegpt at 50% and at 2:4.
 * The dense model has 5.12, so the ratios are of what pruning adds.
 */
const PAPER: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  '50%': { wanda: (6.42 - 5.12) / (14.89 - 5.12), sparsegpt: (6.51 - 5.12) / (14.89 - 5.12) },
  '2:4': { wanda: (11.02 - 5.12) / (54.59 - 5.12), sparsegpt: (10.17 - 5.12) / (54.59 - 5.12) },
};

/** @param python with llmcompressor, whose implementations then prune the same model with the same text; ours must add no more than they do */
export async function benchSparsity(setting: Setting, python?: string): Promise<object[]> {
  const { threads, window, windows } = setting.options;
  const text = join(setting.folder, 'sparsity.txt');
  await writeFile(text, setting.calibrating);
  const rows: object[] = [];
  for (const [name, ratios] of Object.entries(PAPER)) {
    const methods: readonly PruningMethod[] = ['magnitude', 'wanda', 'sparsegpt'];
    const label = name.replace(/[:%]/, '');
    const ours: string[] = [];
    const theirs: string[] = [];
    for (const method of methods) {
      const { path } = await setting.made(`${method}-${label}.gguf`, (output) =>
        prune(setting.source, output, {
          ...(name === '50%' ? { sparsity: 0.5 } : { pattern: name }),
          ...{ method, threads, ...(method !== 'magnitude' && { calibration: setting.calibration }) },
        }),
      );
      ours.push(path);
      if (python === undefined || method === 'magnitude') continue;
      const peer = await setting.made(`llmcompressor-${method}-${label}.gguf`, (output) =>
        runPython(python, 'sparse.py', [setting.source, text, output, method, name, window, windows]),
      );
      theirs.push(peer.path);
    }
    const found = await setting.judge([...ours, ...theirs]);
    const added = found.map(({ perplexityRatio }) => perplexityRatio - 1);
    for (const [i, method] of methods.entries()) {
      const ratio = added[i] / added[0];
      const peer = theirs.length > 0 && i > 0 ? added[ours.length + i - 1] / added[0] : undefined;
      const bar = peer ?? ratios[method];
      const isReached = bar === undefined ? undefined : ratio <= bar;
      rows.push({
        ...{ sparsity: name, method, perplexityRatio: added[i] + 1, kld: found[i].kld!.mean, ratio, isReached },
        ...{ paper: ratios[method], ...(peer !== undefined && { peer }) },
      });
      console.log(
        `${name} ${method.padEnd(9)} perplexity ${(added[i] + 1).toFixed(3)} ×, KLD ${found[i].kld!.mean.toFixed(4)}` +
          `${ratios[method] === undefined ? '' : `, adds ${ratio.toFixed(3)} × of magnitude's (paper ${ratios[method].toFixed(3)}${peer === undefined ? '' : `, llm-compressor ${peer.toFixed(3)}`}) ${isReached ? 'reached' : 'MISSED'}`}`,
      );
    }
  }
  return rows;
}
