/**
 * Real models beside the truth: how far Espalier and llama.cpp are from the exact float32 computation of the same quantized file,
 * on prose and on code; chat templates beside transformers' text; MiniLM beside sentence-transformers' vectors.
 *
 *     npm run build && npx tsx bench/realModels.ts [--only gemma|qwen|minilm|templates] [--text prose|code] [--tokens 4096] [--python PYTHON]
 *         [--work FOLDER] [--minutes 7]
 *
 * Needs the models in ~/.cache/espalier-models, llama.cpp's tools in ~/.cache/espalier-llama-cpp/build/bin (or LLAMA_CPP), and the
 * shared data. What is missing is skipped with a message. The exact computation is Espalier's own of the dequantized weights
 * (`exact`), or, where these are larger than WebAssembly's memory, llama.cpp's of the dequantized file with a float32 cache.
 * The last line is JSON.
 *
 * Half of the tokens are scored, as llama-perplexity does. With --work, results are kept chunk by chunk in the folder, and with --minutes a
 * run stops after that time: the same command continues it, and says so with exit code 75.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import type * as Espalier from '../src/index.ts';
import { clippedLogProbabilities, divergence, LogitsFile, largest } from './realModels/logProbabilities.ts';

const built = new URL('../dist/index.js', import.meta.url).href;
const { load } = (await import(built)) as typeof Espalier;

const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    text: { type: 'string' },
    tokens: { type: 'string', default: '4096' },
    work: { type: 'string' },
    minutes: { type: 'string' },
    threads: { type: 'string', default: '2' },
    python: { type: 'string' },
  },
});
const threads = Number(values.threads);
const end =
  values.minutes === undefined ? Number.POSITIVE_INFINITY : performance.now() + 60_000 * Number(values.minutes);
/** Exit code of a run that ended before its work did. */
const UNFINISHED = 75;
const CONTEXT = 512;
const models = join(homedir(), '.cache/espalier-models');
const tools = process.env.LLAMA_CPP ?? join(homedir(), '.cache/espalier-llama-cpp/build/bin');
const shared = fileURLToPath(new URL('../../shared/data/', import.meta.url));
const texts = {
  prose: join(shared, 'text/wikitext-2/wiki.test.raw'),
  code: join(shared, 'text/calibration/exl3-code.utf8'),
};

interface RealModel {
  readonly name: string;
  readonly file: string;
  /** False if the dequantized weights do not fit in WebAssembly's memory. */
  readonly fitsDequantized: boolean;
}
const generators: readonly RealModel[] = [
  { name: 'gemma', file: join(models, 'gemma-3-270m-q4_k_m.gguf'), fitsDequantized: true },
  { name: 'qwen', file: join(models, 'qwen2.5-coder-1.5b-instruct-q4_k_m.gguf'), fitsDequantized: false },
];

/** True if a part is selected and its files exist. */
function wanted(name: string, ...files: readonly string[]): boolean {
  if (values.only && values.only !== name) return false;
  const missing = files.find((file) => !existsSync(file));
  if (missing) console.log(`skipped ${name}: no ${missing}`);
  return missing === undefined;
}

interface Distances {
  readonly tokens: number;
  readonly espalier: { readonly meanKl: number; readonly top1: number };
  readonly llamaCpp: { readonly meanKl: number; readonly top1: number };
  readonly ratio: number;
}

/** An exact distribution: its probabilities are computed once for both engines. */
interface Exact {
  readonly log: Float64Array;
  readonly probabilities: Float64Array;
}
const exactOf = (log: Float64Array): Exact => ({ log, probabilities: log.map(Math.exp) });

/** Sums over scored tokens of an engine's divergences from the exact distributions, and of its equal best tokens. */
interface Sums {
  kl: number;
  same: number;
}

function add(sums: Sums, { log, probabilities }: Exact, found: Float64Array): void {
  sums.kl += divergence(probabilities, log, found);
  sums.same += largest(log) === largest(found) ? 1 : 0;
}

/** Results of a chunk of the text. */
interface Chunk {
  readonly scored: number;
  readonly espalier: Sums;
  readonly llamaCpp: Sums;
}

function meanOf(chunks: readonly Chunk[], engine: 'espalier' | 'llamaCpp') {
  const sum = (what: (chunk: Chunk) => number) => chunks.reduce((total, chunk) => total + what(chunk), 0);
  const scored = sum((chunk) => chunk.scored);
  return { meanKl: sum((chunk) => chunk[engine].kl) / scored, top1: sum((chunk) => chunk[engine].same) / scored };
}

/** The run is to end before what comes next. */
class TimeIsOver extends Error {}

/** A file that `make` writes once, whole or not at all. @throws {TimeIsOver} */
function madeOnce(path: string, make: (part: string) => void): string {
  if (existsSync(path)) return path;
  if (performance.now() > end) throw new TimeIsOver();
  make(`${path}.part`);
  renameSync(`${path}.part`, path);
  return path;
}

function perplexity(model: string, text: string, output: string, more: readonly string[] = []): string {
  const chunks = String(Math.floor(Number(values.tokens) / CONTEXT));
  const args = ['-m', model, '-f', text, '-c', String(CONTEXT), '-b', String(CONTEXT), '--chunks', chunks];
  return madeOnce(output, (part) => {
    const all = [...args, '-t', String(threads), '--kl-divergence-base', part, ...more];
    execFileSync(join(tools, 'llama-perplexity'), all, { stdio: ['ignore', 'ignore', 'ignore'] });
  });
}

/** Compares the engines on a text. @param scratch folder of what has been computed @returns undefined if the time is over before */
async function distances(
  { file, fitsDequantized }: RealModel,
  text: string,
  scratch: string,
): Promise<Distances | undefined> {
  mkdirSync(scratch, { recursive: true });
  // enough text for the tokens; llama-perplexity tokenizes all of its file
  const part = join(scratch, 'text');
  writeFileSync(part, readFileSync(text, 'utf8').slice(0, 6 * Number(values.tokens)));
  const theirFile = perplexity(file, part, join(scratch, 'theirs'));
  const exactFile = fitsDequantized ? undefined : exactInLlamaCpp(file, part, scratch);
  const [theirs, exact] = [new LogitsFile(theirFile), exactFile === undefined ? undefined : new LogitsFile(exactFile)];
  const chunkFile = (chunk: number) => join(scratch, `chunk-${chunk}.json`);
  const missing = Array.from({ length: theirs.chunks }, (_, chunk) => chunk).filter(
    (chunk) => !existsSync(chunkFile(chunk)),
  );
  if (missing.length > 0 && performance.now() < end) {
    const ours = await load(file, { threads, context: CONTEXT });
    const exactModel = exact ? undefined : await load(file, { threads, context: CONTEXT, exact: true, kv: 'f32' });
    for (const chunk of missing) {
      if (performance.now() > end) break;
      const found = await compareChunk(chunk, readFileSync(part, 'utf8'), ours, exactModel ?? exact!, theirs);
      writeFileSync(chunkFile(chunk), JSON.stringify(found));
    }
    for (const model of [ours, exactModel]) model?.dispose();
  }
  const chunks = Array.from({ length: theirs.chunks }, (_, chunk) => chunkFile(chunk))
    .filter((path) => existsSync(path))
    .map((path): Chunk => JSON.parse(readFileSync(path, 'utf8')));
  for (const opened of [theirs, exact]) opened?.close();
  console.log(`${chunks.length} of ${theirs.chunks} chunks`);
  if (chunks.length < theirs.chunks) return undefined;
  const [espalier, llamaCpp] = [meanOf(chunks, 'espalier'), meanOf(chunks, 'llamaCpp')];
  const tokens = chunks.reduce((sum, { scored }) => sum + scored, 0);
  return { tokens, espalier, llamaCpp, ratio: espalier.meanKl / llamaCpp.meanKl };
}

/** @param exact Espalier with dequantized weights, or llama.cpp's results with them */
async function compareChunk(
  chunk: number,
  text: string,
  ours: Espalier.Model,
  exact: Espalier.Model | LogitsFile,
  theirs: LogitsFile,
): Promise<Chunk> {
  const ids = ours.tokenizer.encode(text, { special: false, addEos: false });
  const tokens = ids.slice(chunk * CONTEXT, (chunk + 1) * CONTEXT);
  const different = tokens.findIndex((id, i) => id !== theirs.tokens[chunk * CONTEXT + i]);
  if (different >= 0) throw new Error(`token ${different} of chunk ${chunk} differs from llama.cpp's`);
  if (ours.tokenizer.addBos && ours.tokenizer.bos !== undefined) tokens[0] = ours.tokenizer.bos;
  const first = CONTEXT / 2;
  const rows = Array.from({ length: theirs.scored }, (_, row) => first + row);
  const known = new Map<number, Float64Array>();
  if (!(exact instanceof LogitsFile))
    await exact.evaluate(tokens, rows, (row, logits) => known.set(row, clippedLogProbabilities(logits)));
  const exactly = (row: number) =>
    exact instanceof LogitsFile ? exact.logProbabilities(chunk, row - first) : known.get(row)!;
  const [espalier, llamaCpp]: Sums[] = [
    { kl: 0, same: 0 },
    { kl: 0, same: 0 },
  ] as const;
  await ours.evaluate(tokens, rows, (row, logits) => {
    const truth = exactOf(exactly(row));
    add(espalier, truth, clippedLogProbabilities(logits));
    add(llamaCpp, truth, theirs.logProbabilities(chunk, row - first));
  });
  return { scored: theirs.scored, espalier: espalier, llamaCpp: llamaCpp };
}

/** Results of llama.cpp with the dequantized file. */
function exactInLlamaCpp(file: string, text: string, scratch: string): string {
  const results = join(scratch, 'exact');
  if (existsSync(results)) return results;
  const dequantized = madeOnce(join(scratch, '..', `${basename(file)}.f32`), (part) =>
    execFileSync(join(tools, 'llama-quantize'), ['--allow-requantize', file, part, 'F32', String(threads)], {
      stdio: ['ignore', 'ignore', 'ignore'],
    }),
  );
  return perplexity(dequantized, text, results, ['-fa', 'off', '-ctk', 'f32', '-ctv', 'f32']);
}

const MESSAGES = [
  { role: 'system', content: 'Answer in one word.' },
  { role: 'user', content: 'What grows on a pear tree?' },
  { role: 'assistant', content: 'Pears.' },
  { role: 'user', content: 'And in spring?\n' },
];

/** Compares rendered conversations with transformers' own renderer. @returns number of equal texts and of all */
async function templates(python: string): Promise<{ equal: number; of: number }> {
  const script = fileURLToPath(new URL('./realModels/template.py', import.meta.url));
  let [equal, of] = [0, 0];
  for (const { name, file } of generators.filter(({ file }) => existsSync(file))) {
    const model = await load(file, { threads, context: CONTEXT });
    const { metadata } = await (await import(built)).inspect(file, {});
    const template = metadata['tokenizer.chat_template'];
    if (typeof template === 'string') {
      const bos = model.tokenizer.bos === undefined ? '' : model.tokenizer.piece(model.tokenizer.bos);
      const conversations = [MESSAGES, MESSAGES.slice(1), MESSAGES.slice(0, 2), MESSAGES.slice(1, 2)];
      const input = JSON.stringify(conversations.map((messages) => ({ template, messages, bos })));
      const expected: string[] = JSON.parse(execFileSync(python, [script], { input, encoding: 'utf8' }));
      for (const [i, messages] of conversations.entries()) {
        of++;
        if (model.renderPrompt(messages as Parameters<typeof model.renderPrompt>[0]) === expected[i]) equal++;
        else console.log(`${name}: another text than transformers'`);
      }
    } else console.log(`skipped the template of ${name}: its file has none`);
    model.dispose();
  }
  return { equal, of };
}

async function miniLm(folder: string, vectors: string) {
  const { texts, ids, embeddings }: { texts: string[]; ids: number[][]; embeddings: number[][] } = JSON.parse(
    readFileSync(vectors, 'utf8'),
  );
  const model = await load(folder, { threads });
  const found = await model.embed(texts, { truncate: 'end' });
  const cosines = found.map((vector, i) => {
    const expected = embeddings[i];
    const dot = expected.reduce((sum, value, j) => sum + value * vector[j], 0);
    return dot / Math.hypot(...expected) / Math.hypot(...vector);
  });
  const limit = Math.max(...ids.map((one) => one.length));
  const sameIds = texts.filter((text, i) => {
    const own = model.tokenizer.encode(text);
    return own.length > limit || String(own) === String(ids[i]);
  });
  model.dispose();
  return { texts: texts.length, leastCosine: Math.min(...cosines), sameIds: sameIds.length };
}

const results: Record<string, unknown> = {};
const work = values.work ?? mkdtempSync(join(tmpdir(), 'real-models-'));
let isFinished = true;
try {
  for (const model of generators) {
    if (!wanted(model.name, model.file, join(tools, 'llama-perplexity'), ...Object.values(texts))) continue;
    for (const [kind, text] of Object.entries(texts)) {
      if (values.text && values.text !== kind) continue;
      const found = await distances(model, text, join(work, `${model.name}-${kind}-${values.tokens}`)).catch(
        (error) => {
          if (!(error instanceof TimeIsOver)) throw error;
        },
      );
      isFinished &&= found !== undefined;
      if (!found) continue;
      results[`${model.name}, ${kind}`] = found;
      const { espalier, llamaCpp, ratio, tokens } = found;
      const line = [espalier, llamaCpp].map(
        ({ meanKl, top1 }) => `${meanKl.toExponential(2)} (top-1 ${(100 * top1).toFixed(1)}%)`,
      );
      console.log(
        `${model.name}, ${kind}, ${tokens} tokens: KL ${line[0]}, llama.cpp ${line[1]}, ratio ${ratio.toFixed(2)}`,
      );
    }
  }
} finally {
  if (!values.work) rmSync(work, { recursive: true });
}
if (values.python && wanted('templates', values.python)) {
  results.templates = await templates(values.python);
  console.log(`templates: ${JSON.stringify(results.templates)}`);
}
const [miniLmFolder, vectors] = [
  join(models, 'all-minilm-l6-v2'),
  join(shared, 'vectors/embeddings/all-minilm-l6-v2.json'),
];
if (wanted('minilm', miniLmFolder, vectors)) {
  results.minilm = await miniLm(miniLmFolder, vectors);
  console.log(`MiniLM: ${JSON.stringify(results.minilm)}`);
}
console.log(JSON.stringify({ bench: 'realModels', ...results }));
if (!isFinished) process.exitCode = UNFINISHED;
