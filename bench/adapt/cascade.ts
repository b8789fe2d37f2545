/** Measures a cascade of two models on chat prompts: the work that it saves, and the quality that it loses, on prompts it was not fitted on. */
import { existsSync } from 'node:fs';
import { Cascade, fitCascade, likelihoodJudge, sampleCascade } from '../../src/adapt/index.ts';
import { load } from '../../src/index.ts';
import { chatPrompts } from './prompts.ts';

const TOKENS = 40;
const RISK = 0.01;

/** @param small GGUF file of the small model @param prompts number of prompts: two thirds fit the rule, one third is held out */
export async function benchCascade(
  file: string,
  { small: smallFile, prompts: count, threads }: { small: string; prompts: number; threads?: number },
): Promise<object> {
  if (!existsSync(smallFile)) {
    console.log(`skipped: ${smallFile} does not exist; train it with a recipe`);
    return { skipped: 'no small model' };
  }
  const options = { prefixCacheBytes: 0, ...(threads !== undefined && { threads }) };
  const [small, large] = [await load(smallFile, options), await load(file, options)];
  const prompts = chatPrompts(count);
  const settings = { maxTokens: TOKENS, temperature: 0, stop: '\n' } as const;
  const judge = likelihoodJudge(large);
  const fitted = prompts.slice(0, Math.floor((2 * prompts.length) / 3));
  const rule = fitCascade(await sampleCascade(small, large, fitted, judge, settings), { risk: RISK, tokens: 12 });
  const cascade = new Cascade(small, large, rule);

  const costs = { small: small.summary.parameters, large: large.summary.parameters };
  const total = { work: 0, whole: 0, quality: 0, wholeQuality: 0, bySmall: 0 };
  const heldOut = prompts.slice(fitted.length);
  for (const prompt of heldOut) {
    const session = large.session();
    const whole = await session.generate(prompt, settings).result;
    session.dispose();
    const answer = await cascade.generate(prompt, settings);
    const promptTokens = whole.promptTokens;
    total.whole += costs.large * (promptTokens + whole.tokens);
    if (answer.smallTokens > 0) total.work += costs.small * (promptTokens + answer.smallTokens);
    if (answer.by === 'large') total.work += costs.large * (promptTokens + answer.tokens);
    else total.bySmall++;
    total.wholeQuality += await judge(prompt, whole.ids, 'large');
    total.quality += await judge(prompt, large.tokenizer.encode(answer.text, { addEos: false }), answer.by);
  }
  small.dispose();
  large.dispose();
  const saved = 1 - total.work / total.whole;
  const lost = 1 - total.quality / total.wholeQuality;
  console.log(
    `${total.bySmall} of ${heldOut.length} answers by the small model (${percent(costs.small / costs.large)} of the parameters): ${percent(saved)} of the work saved, ${percent(lost)} of the quality lost, calibration error ${rule.calibrationError.toFixed(3)}`,
  );
  const { steps: _, ...fit } = rule;
  return { heldOut: heldOut.length, bySmall: total.bySmall, saved, lost, ...fit };
}

const percent = (share: number) => `${(100 * share).toFixed(1)}%`;
