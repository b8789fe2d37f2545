/** Unstructured and N:M pruning: Wanda and SparseGPT beside magnitude pruning on the same model. */
import { type PruningMethod, prune } from '../../src/compress/index.ts';
import type { Setting } from './setting.ts';

/**
 * Perplexities of Llama-2-7B relative to magnitude pruning (Wanda: Sun et al. 2023): wanda and sparsegpt at 50% and at 2:4.
 * The dense model has 5.12, so the ratios are of what pruning adds.
 */
const PAPER: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  '50%': { wanda: (6.42 - 5.12) / (14.89 - 5.12), sparsegpt: (6.51 - 5.12) / (14.89 - 5.12) },
  '2:4': { wanda: (11.02 - 5.12) / (54.59 - 5.12), sparsegpt: (10.17 - 5.12) / (54.59 - 5.12) },
};

export async function benchSparsity(setting: Setting): Promise<object[]> {
  const { threads } = setting.options;
  const rows: object[] = [];
  for (const [name, ratios] of Object.entries(PAPER)) {
    const methods: readonly PruningMethod[] = ['magnitude', 'wanda', 'sparsegpt'];
    const files: string[] = [];
    for (const method of methods) {
      const { path } = await setting.made(`${method}-${name.replace(/[:%]/, '')}.gguf`, (output) =>
        prune(setting.source, output, {
          ...(name === '50%' ? { sparsity: 0.5 } : { pattern: name }),
          ...{ method, threads, ...(method !== 'magnitude' && { calibration: setting.calibration }) },
        }),
      );
      files.push(path);
    }
    const found = await setting.judge(files);
    const added = found.map(({ perplexityRatio }) => perplexityRatio - 1);
    for (const [i, method] of methods.entries()) {
      const bar = ratios[method];
      const ratio = added[i] / added[0];
      const isReached = bar === undefined ? undefined : ratio <= bar;
      rows.push({
        sparsity: name,
        method,
        perplexityRatio: added[i] + 1,
        kld: found[i].kld!.mean,
        ratio,
        bar,
        isReached,
      });
      console.log(
        `${name} ${method.padEnd(9)} perplexity ${(added[i] + 1).toFixed(3)} ×, KLD ${found[i].kld!.mean.toFixed(4)}` +
          `${bar === undefined ? '' : `, adds ${ratio.toFixed(3)} × of magnitude's (paper ${bar.toFixed(3)}) ${isReached ? 'reached' : 'MISSED'}`}`,
      );
    }
  }
  return rows;
}
