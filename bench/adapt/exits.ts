/**
 * Measures an early exit: acceptance of its likeliest token, the share of tokens that leave at a promised risk, how often the promise is
 * kept when prompts are split anew, and the speed of calibrated and of lossless decoding beside the whole model.
 */
import { existsSync } from 'node:fs';
import { calibrateExit, exitedAt, lossAt, sampleExit, withPromise } from '../../src/adapt/index.ts';
import { seededRandom } from '../../src/core/random.ts';
import { type GenerateOptions, load, type Model } from '../../src/index.ts';
import { mean, quantile } from '../../src/runtime/statistics.ts';
import { chatPrompts } from './prompts.ts';

const RISK = 0.01;
const DELTA = 0.05;
const RESPLITS = 100;
const TOKENS = 64;
/** Prompts of the timing, and their tokens. */
const [TIMED, TIMED_TOKENS] = [12, 100] as const;

/** @param exit GGUF file of an exit of the model @param prompts number of prompts @param rounds alternating runs */
export async function benchExits(
  file: string,
  { exit, prompts: count, rounds, threads }: { exit: string; prompts: number; rounds: number; threads?: number },
): Promise<object> {
  if (!existsSync(exit)) {
    console.log(`skipped: ${exit} does not exist; train it with a recipe (see recipes/exits)`);
    return { skipped: 'no exit' };
  }
  const prompts = chatPrompts(count);
  const model = await load(file, { exit, prefixCacheBytes: 0, ...(threads !== undefined && { threads }) });
  const samples = await sampleExit(model, prompts, { tokens: TOKENS });
  const tokens = samples.reduce((sum, { margins }) => sum + margins.length, 0);
  const agreed = samples.reduce((sum, { agrees }) => sum + agrees.reduce((total, one) => total + one, 0), 0);
  const depth = model.exit!.depth;
  model.dispose();
  const acceptance = agreed / tokens;
  console.log(
    `exit after ${depth} layers: ${percent(acceptance)} of ${tokens} tokens in ${samples.length} texts agree`,
  );

  const random = seededRandom(11);
  const half = Math.floor(samples.length / 2);
  const splits: { readonly loss: number; readonly exited: number }[] = [];
  for (let i = 0; i < RESPLITS; i++) {
    const order = samples.map((sample) => ({ sample, key: random.uniform() })).sort((a, b) => a.key - b.key);
    const shuffled = order.map(({ sample }) => sample);
    const { threshold } = calibrateExit(shuffled.slice(0, half), { risk: RISK, delta: DELTA });
    const others = shuffled.slice(half);
    splits.push({
      loss: mean(others.map((sample) => lossAt(sample, threshold))),
      exited: mean(others.map((sample) => exitedAt(sample, threshold))),
    });
  }
  const kept = splits.filter(({ loss }) => loss <= RISK).length;
  const promise = calibrateExit(samples, { risk: RISK, delta: DELTA });
  console.log(
    `promise of ${percent(RISK)} kept in ${kept} of ${RESPLITS} splits (mean loss ${percent(mean(splits.map(({ loss }) => loss)))}); ${percent(promise.exited)} of the tokens leave at a margin of ${promise.threshold.toFixed(2)}`,
  );
  const speeds = await timed(file, await withPromise(exit, promise, model), prompts.slice(0, TIMED), rounds, threads);
  return { depth, texts: samples.length, tokens, acceptance, kept, ...promise, ...speeds };
}

async function timed(
  file: string,
  exit: Uint8Array,
  prompts: readonly string[],
  rounds: number,
  threads: number | undefined,
) {
  const own = { prefixCacheBytes: 0, ...(threads !== undefined && { threads }) };
  const [plain, early] = [await load(file, own), await load(file, { ...own, exit })];
  const gains: Record<'calibrated' | 'lossless', number[]> = { calibrated: [], lossless: [] };
  const byProcessor: Record<'calibrated' | 'lossless', number[]> = { calibrated: [], lossless: [] };
  const found = { exited: 0, drafted: 0, accepted: 0, tokens: 0, compared: 0 };
  let isSame = true;
  for (let round = -1; round < rounds; round++) {
    const off = await speed(plain, prompts, { draft: 'off' });
    for (const mode of ['calibrated', 'lossless'] as const) {
      const run = await speed(early, prompts, { exit: mode, exitRisk: RISK });
      if (round >= 0) {
        gains[mode].push(run.tokensPerSecond / off.tokensPerSecond);
        byProcessor[mode].push(run.tokensPerProcessorSecond / off.tokensPerProcessorSecond);
      }
      if (mode === 'lossless') {
        isSame &&= run.texts.join() === off.texts.join();
        found.drafted += run.drafted;
        found.accepted += run.accepted;
      } else {
        found.exited += run.exited;
        found.tokens += run.tokens;
      }
    }
  }
  plain.dispose();
  early.dispose();
  const [calibrated, lossless] = [quantile(gains.calibrated, 0.5), quantile(gains.lossless, 0.5)];
  // with one thread, beside other work
  const processor = {
    calibrated: quantile(byProcessor.calibrated, 0.5),
    lossless: quantile(byProcessor.lossless, 0.5),
  };
  console.log(
    `calibrated ${calibrated.toFixed(2)} × (${percent(found.exited / found.tokens)} left early), lossless ${lossless.toFixed(2)} × (${found.accepted} of ${found.drafted} drafts accepted, ${isSame ? 'the same' : 'OTHER'} tokens); by processor time ${processor.calibrated.toFixed(2)} × and ${processor.lossless.toFixed(2)} ×`,
  );
  return { calibrated, lossless, processor, isSame, gains };
}

async function speed(model: Model, prompts: readonly string[], options: GenerateOptions) {
  const total = { seconds: 0, tokens: 0, exited: 0, drafted: 0, accepted: 0, texts: [] as string[] };
  const before = process.cpuUsage();
  for (const prompt of prompts) {
    const session = model.session();
    const result = await session.generate(prompt, { maxTokens: TIMED_TOKENS, temperature: 0, ...options }).result;
    session.dispose();
    if (result.decodeTokensPerSecond > 0) total.seconds += (result.tokens - 1) / result.decodeTokensPerSecond;
    total.tokens += result.tokens;
    total.exited += result.exitedTokens;
    total.drafted += result.draftedTokens;
    total.accepted += result.acceptedTokens;
    total.texts.push(result.ids.join(' '));
  }
  const { user, system } = process.cpuUsage(before);
  const processorSeconds = (user + system) / 1e6;
  return {
    ...total,
    tokensPerSecond: total.tokens / total.seconds,
    tokensPerProcessorSecond: total.tokens / processorSeconds,
  };
}

const percent = (share: number) => `${(100 * share).toFixed(2)}%`;
