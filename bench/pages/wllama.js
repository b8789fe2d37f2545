/**
 * Measures wllama, as the server inside it measures itself. Its prefill ends with the first token that it chooses, so
 * that `decode` tokens more are computed one after another when it is asked for one more than that. It takes text alone:
 * digits, as each is a token of its own to the models that are measured here.
 */
import { Wllama } from '/wllama/index.js';

export async function measure({ model, prefill, decode, runs, threads }) {
  const file = await (await fetch(model)).blob();
  const wllama = new Wllama({ default: '/wllama/wllama.wasm' }, { suppressNativeLog: true });
  const context = {
    n_ctx: prefill + decode + 16,
    n_batch: prefill,
    n_parallel: 1,
    cache_type_k: 'f16',
    cache_type_v: 'f16',
  };
  await wllama.loadModel([file], { n_threads: threads, n_gpu_layers: 0, ...context });

  async function once() {
    const prompt = Array.from({ length: prefill }, (_, i) => (i * 37) % 10).join('');
    const choosing = { max_tokens: decode + 1, temperature: 0, ignore_eos: true, cache_prompt: false };
    const { timings } = await wllama.createCompletion({ prompt, ...choosing });
    const { prompt_n, prompt_ms, predicted_n, predicted_ms } = timings;
    if (prompt_n !== prefill || predicted_n !== decode + 1)
      throw new Error(`expected ${prefill} and ${decode + 1} tokens, wllama computed ${prompt_n} and ${predicted_n}`);
    return { prefill: (1000 * prefill) / prompt_ms, decode: (1000 * decode) / predicted_ms };
  }

  await once();
  const measured = [];
  for (let run = 0; run < runs; run++) measured.push(await once());
  const median = (numbers) => numbers.sort((a, b) => a - b)[numbers.length >> 1];
  return {
    prefillTokensPerSecond: median(measured.map((run) => run.prefill)),
    decodeTokensPerSecond: median(measured.map((run) => run.decode)),
    threads: wllama.getNumThreads(),
  };
}
