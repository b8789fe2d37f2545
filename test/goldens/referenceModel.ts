/** Runs a checkpoint on the reference backend, one whole sequence per step. */
import { reference } from '../../src/backends/reference/index.ts';
import type { Checkpoint } from '../../src/formats/checkpoint.ts';
import { buildModel } from '../../src/models/buildModel.ts';
import { weightStore } from '../../src/models/weightStore.ts';
import { formatByName } from '../../src/tensor/formats.ts';
import { Pages } from '../conformance/pages.ts';


export interface ReferenceModel {
  /** Logits after each token; the first token has position 0. */
  forced(tokens: readonly number[]): Promise<Float32Array[]>;
  /** Greedy continuation of a prompt. */
  greedy(prompt: readonly number[], count: number): Promise<number[]>;
}

/** @param context that the oracle had; Phi-3's rope factors depend on it */
export async function referenceModel(checkpoint: Checkpoint, context = 512): Promise<ReferenceModel> {
  const model = buildModel(checkpoint, context);
  const limits = { maxTokens: context, maxRows: context, context };
  const program = await reference.compile(model.graph, { weights: weightStore(model), ...limits });
  const step = async (cache: Pages, tokens: readonly number[], position: number) => {
    const sequences = [{ tokens, position, pages: cache.upTo(position + tokens.length) }];
    const result = program.run({ sequences, rows: tokens.map((_, at) => at) });
    const logits = await result.output('logits');
    const width = logits.length / tokens.length;
    return tokens.map((_, at) => logits.slice(at * width, (at + 1) * width));
  };
  const store = program.openPages(formatByName('F32'));
  const newCache = () => new Pages(store);
  return {
    forced: (tokens) => step(newCache(), tokens, 0),
    async greedy(prompt, count) {
      const cache = newCache();
      const past = [...prompt];
      let logits = (await step(cache, prompt, 0)).at(-1)!;
      while (past.length < prompt.length + count) {
        past.push(logits.indexOf(Math.max(...logits)));
        logits = (await step(cache, past.slice(-1), past.length - 1))[0];
      }
      return past.slice(prompt.length);
    },
  };
}
