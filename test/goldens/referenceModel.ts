/** A checkpoint run by the reference backend, whole sequences at a time. */
import { reference } from '../../src/backends/reference/index.ts';
import type { Checkpoint } from '../../src/formats/checkpoint.ts';
import { buildModel } from '../../src/models/buildModel.ts';
import { weightStore } from '../../src/models/weightStore.ts';
import { formatByName } from '../../src/tensor/formats.ts';

/** As large as the context that llama.cpp was given: Phi-3's factors go by it. */
const CONTEXT = 512;

export interface ReferenceModel {
  /** Logits after each of the tokens, which begin at position 0. */
  forced(tokens: readonly number[]): Float32Array[];
  /** The tokens that follow a prompt, each the most likely one. */
  greedy(prompt: readonly number[], count: number): number[];
}

export async function referenceModel(checkpoint: Checkpoint): Promise<ReferenceModel> {
  const model = buildModel(checkpoint, CONTEXT);
  const limits = { maxTokens: CONTEXT, maxRows: CONTEXT, context: CONTEXT };
  const program = await reference.compile(model.graph, { weights: weightStore(model), ...limits });
  const step = (cache: ReturnType<typeof newCache>, tokens: readonly number[], position: number) => {
    program.run({ cache, tokens, position, rows: tokens.map((_, at) => at) });
    const logits = program.output('logits');
    const width = logits.length / tokens.length;
    return tokens.map((_, at) => logits.slice(at * width, (at + 1) * width));
  };
  const newCache = () => program.createCache(CONTEXT, formatByName('F32'));
  return {
    forced: (tokens) => step(newCache(), tokens, 0),
    greedy(prompt, count) {
      const cache = newCache();
      const past = [...prompt];
      let logits = step(cache, prompt, 0).at(-1)!;
      while (past.length < prompt.length + count) {
        past.push(logits.indexOf(Math.max(...logits)));
        logits = step(cache, past.slice(-1), past.length - 1)[0]!;
      }
      return past.slice(prompt.length);
    },
  };
}
