/**
 * Runs a model in llama.cpp on the CPU, through node-llama-cpp. Returns the logits after every token of a sequence
 * and the greedy continuation of a prompt.
 *
 *   node oracle.mjs model.gguf --text 'Once upon a time' --greedy 20 [--threads 1]
 *   node oracle.mjs model.gguf --tokens 1,403,407 --logits
 *   node oracle.mjs --jobs < jobs.jsonl
 *
 * Prints one JSON line per model: {model, tokens, bos, greedy, logits}, or {model, error} for jobs that may
 * fail. A job is {model, text | tokens, greedy, logits, …}
 * with the settings of `ask`. Logits are f32 in base64, one row [V] per token.
 *
 * The defaults are llama.cpp's: flash attention 'auto' (on, for the CPU), KV cache F16.
 * Greedy is the largest raw logit: at temperature 0 node-llama-cpp's sampler chain is llama.cpp's greedy sampler alone,
 * without penalty. Generation continues after end-of-text tokens.
 */
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { getLlama, LlamaLogLevel } from 'node-llama-cpp';

/** Loads node-llama-cpp without a GPU and without building it; `verbose` prints what llama.cpp read from the model. */
export function startLlama(verbose = false) {
  const logLevel = verbose ? LlamaLogLevel.info : LlamaLogLevel.error;
  return getLlama({ gpu: false, build: 'never', maxThreads: 0, logLevel, progressLogs: false });
}

/**
 * @param {import('node-llama-cpp').Llama} llama
 * @param {{ model: string, text?: string, tokens?: number[], greedy?: number, logits?: boolean, threads?: number,
 *   pooled?: 'embedding' | 'score', flashAttention?: 'auto' | boolean, kv?: 'F16' | 'F32', context?: number, adapter?: string }} job a text is tokenized by llama.cpp,
 *   with BOS if the vocabulary adds one
 */
export async function ask(llama, job) {
  const { greedy = 0, threads = 1, flashAttention = 'auto', kv = 'F16', context: contextSize = 512 } = job;
  const model = await llama.loadModel({ modelPath: job.model, gpuLayers: 0 });
  try {
    const tokens = job.tokens ?? tokenize(model, job.text ?? '');
    const bos = model.tokens.shouldPrependBosToken ? model.tokens.bos : null;
    if (job.pooled) return { tokens, pooled: await pooled(model, tokens, job.pooled, { contextSize, threads }) };
    if (!job.logits && greedy === 0) return { tokens, bos, greedy: [] };
    const kvTypes = { experimentalKvCacheKeyType: kv, experimentalKvCacheValueType: kv };
    const context = await model.createContext({ contextSize, threads, flashAttention, lora: job.adapter, ...kvTypes });
    const sequence = context.getSequence();
    const wanted = { generateNext: { logits: job.logits === true, token: true, options: { temperature: 0 } } };
    const last = tokens.length - 1;
    const input = tokens.map((token, at) => (job.logits || at === last ? [token, wanted] : token));
    const answers = await sequence.controlledEvaluate(input);
    const followed = [];
    for (let next = answers[last].next.token; followed.length < greedy; ) {
      followed.push(next);
      const [answer] = await sequence.controlledEvaluate([[next, wanted]]);
      next = answer.next.token;
    }
    const logits = job.logits ? answers.map(({ next }) => inOrder(next.logits)) : undefined;
    return { tokens, bos, greedy: followed, logits };
  } finally {
    await model.dispose();
  }
}

/** The embedding of tokens, pooled as the file says, or the first output of its classifier. */
async function pooled(model, tokens, kind, options) {
  if (kind === 'embedding') {
    const context = await model.createEmbeddingContext(options);
    return [...(await context.getEmbeddingFor(tokens)).vector];
  }
  const context = await model.createRankingContext({ ...options, template: '{{query}}{{document}}' });
  const score = await context._evaluateRankingForInput(tokens);
  // node-llama-cpp returns a probability
  return [context._currentArchRankingAlreadyNormalized ? score : Math.log(score / (1 - score))];
}

function tokenize(model, text) {
  const bos = model.tokens.shouldPrependBosToken ? [model.tokens.bos] : [];
  return [...bos, ...model.tokenize(text)];
}

/** Orders logits by id; node-llama-cpp returns them sorted by value. */
function inOrder(logits) {
  const row = new Float32Array(logits.size);
  for (const [token, logit] of logits) row[token] = logit;
  return row;
}

/** The line of a job. A model that llama.cpp refuses has the reason in `error`. */
async function rowOf(llama, job) {
  try {
    const { logits, ...answer } = await ask(llama, job);
    return { model: job.model, ...answer, ...(logits ? { logits: inBase64(logits) } : {}) };
  } catch (error) {
    if (!job.mayFail) throw error;
    return { model: job.model, error: String(error.message ?? error) };
  }
}

function inBase64(rows) {
  return Buffer.concat(rows.map((row) => Buffer.from(row.buffer))).toString('base64');
}

async function main() {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      jobs: { type: 'boolean' },
      text: { type: 'string' },
      tokens: { type: 'string' },
      adapter: { type: 'string' },
      greedy: { type: 'string' },
      threads: { type: 'string' },
      logits: { type: 'boolean' },
      verbose: { type: 'boolean' },
    },
  });
  const number = (text) => (text === undefined ? undefined : Number(text));
  const fromArguments = {
    model: positionals[0],
    text: values.text,
    adapter: values.adapter,
    tokens: values.tokens?.split(',').map(Number),
    greedy: number(values.greedy),
    threads: number(values.threads),
    logits: values.logits,
  };
  const llama = await startLlama(values.verbose);
  const jobs = values.jobs ? createInterface({ input: process.stdin }) : [JSON.stringify(fromArguments)];
  for await (const line of jobs) {
    const job = JSON.parse(line);
    process.stdout.write(`${JSON.stringify(await rowOf(llama, job))}\n`);
  }
  await llama.dispose();
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await main();
