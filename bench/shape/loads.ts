/** Every kind of file that is made here, in llama.cpp: it must load there and give the distribution that it gives here. */
import { rm, writeFile } from 'node:fs/promises';
import { fileTypes, shape } from '../../src/compress/index.ts';
import { load } from '../../src/index.ts';
import { distance } from '../architectures/compare.ts';
import { espalier, llamaCpp, type Peer } from '../architectures/engines.ts';
import type { Setting } from './setting.ts';
import { writeUntied } from './untied.ts';

const CONTEXT = 256;
/**
 * Mean KL in nats. In products with quantized weights both engines round the other factor to 8 bits, each in its own blocks; with half floats
 * llama.cpp rounds it to them.
 */
const BARS = { exact: 1e-5, half: 1e-4, quantized: 5e-3 };

type Stages = readonly Readonly<Record<string, object>>[];

/** Stages by the name of what they make; a recipe's calibration is cheap here, as only the function of the file is looked at. */
const kinds: Readonly<Record<string, Stages>> = {
  ...Object.fromEntries(fileTypes.map(({ name }) => [name, [{ quantize: { type: name } }]])),
  'mixed bits': [{ quantize: { targetBits: 4.5, generations: 0 } }],
  'Q4_K_M, trained scales': [{ quantize: { type: 'Q4_K_M' } }, { tune: { steps: 4 } }],
  'TQ2_0, trained weights': [{ quantize: { type: 'TQ2_0' } }, { tune: { steps: 4, train: 'weights' } }],
  'narrow, distilled': [{ narrow: { keep: 0.75 } }, { distill: { steps: 4, sequence: 64 } }],
  'narrow, Q4_0': [{ narrow: { keep: 0.75 } }, { quantize: { type: 'Q4_0' } }],
  'fewer blocks': [{ dropLayers: { layers: 1 } }],
  'fewer tokens': [{ cutVocabulary: {} }],
  'fewer tokens, Q4_K_M': [{ cutVocabulary: {} }, { quantize: { type: 'Q4_K_M' } }],
  'SparseGPT 2:4': [{ prune: { method: 'sparsegpt', pattern: '2:4' } }],
  rotated: [{ rotate: { always: true } }],
  'rotated, Q3_K_S': [{ rotate: { always: true } }, { quantize: { type: 'Q3_K_S' } }],
};

/** @param only names of kinds; none: all */
export async function benchLoads(setting: Setting, only: readonly string[]): Promise<object[]> {
  const unknown = only.find((name) => !Object.hasOwn(kinds, name));
  if (unknown !== undefined) throw new Error(`there is no kind ${unknown}: ${Object.keys(kinds).join(', ')}`);
  const names = only.length > 0 ? only : Object.keys(kinds);
  const text = `${setting.folder}/loads.txt`;
  await writeFile(text, setting.calibrating.slice(0, 200_000));
  const untied = await setting.made('untied.gguf', (path) => writeUntied(setting.source, path));
  const peer = llamaCpp();
  const rows: object[] = [];
  try {
    for (const name of names) {
      const source = kinds[name].some((stage) => 'rotate' in stage) ? untied.path : setting.source;
      const output = await make(name, source, text, setting);
      rows.push(await compare(name, output, await tokensOf(output, setting.evaluated), peer));
      await rm(output);
    }
  } finally {
    await peer.stop();
  }
  return rows;
}

/** Tokens of a text in a model's own vocabulary. */
async function tokensOf(path: string, text: string): Promise<readonly number[]> {
  using model = await load(path);
  return model.tokenizer.encode(text.slice(0, 4000)).slice(0, CONTEXT - 1);
}

async function make(name: string, source: string, text: string, { folder, options }: Setting): Promise<string> {
  const [output, recipe] = [`${folder}/loads.gguf`, `${folder}/loads.json`];
  const calibration = { text, window: options.window, windows: 32 };
  await writeFile(recipe, JSON.stringify({ source, output, calibration, stages: kinds[name] }));
  await shape(recipe, { threads: options.threads });
  await rm(recipe);
  return output;
}

async function compare(name: string, model: string, tokens: readonly number[], peer: Peer): Promise<object> {
  const ours = await espalier(model, tokens, CONTEXT);
  const job = { model, tokens, logits: true, kv: 'F32', flashAttention: false, context: CONTEXT, mayFail: true };
  const theirs = await peer.ask(job);
  const isQuantized = kinds[name].some((stage) => 'quantize' in stage) && name !== 'F32';
  const bar = BARS[/F16$/.test(name) ? 'half' : isQuantized ? 'quantized' : 'exact'];
  const problem = 'refused' in ours ? ours.refused : 'refused' in theirs ? `llama.cpp: ${theirs.refused}` : undefined;
  const found = 'logits' in ours && 'logits' in theirs ? distance(ours.logits, theirs.logits) : undefined;
  const isReached = found !== undefined && found.meanKl <= bar;
  const figures =
    found &&
    `KL ${found.meanKl.toExponential(1)} (bar ${bar.toExponential(0)}), top-1 ${(100 * found.top1).toFixed(1)}%`;
  console.log(`${name.padEnd(24)} ${figures ?? problem} ${isReached ? 'reached' : 'MISSED'}`);
  return { name, ...found, problem, bar, isReached };
}
