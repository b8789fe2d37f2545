/** Compares texts with and without drafts for many prompts, greedy and sampled, and describes the first difference. */
import { readFileSync } from 'node:fs';
import { seededRandom } from '../../src/core/random.ts';
import { load } from '../../src/index.ts';

const TOKENS = 128;

/** @param prompts number of prompts, cut from texts of this repository */
export async function benchIdentity(file: string, prompts: number) {
  const texts = ['README.md', 'ARCHITECTURE.md', 'src/runtime/scheduler.ts'].map((name) => readFileSync(name, 'utf8'));
  const model = await load(new Uint8Array(readFileSync(file)), { context: 512, prefixCacheBytes: 0 });
  const random = seededRandom(7);
  let [same, drafted, accepted, tokens] = [0, 0, 0, 0];
  for (let i = 0; i < prompts; i++) {
    const text = texts[i % texts.length];
    const from = random.integer(text.length - 400);
    const prompt = text.slice(from, from + 20 + random.integer(380));
    const options = { maxTokens: TOKENS, seed: i, temperature: i % 2 === 0 ? 0 : 0.7 };
    using session = model.session();
    const without = await session.generate(prompt, { ...options, draft: 'off' }).result;
    using other = model.session();
    const with_ = await other.generate(prompt, { ...options, draft: 'lookup' }).result;
    if (with_.ids.join() === without.ids.join() && with_.text === without.text) same++;
    else console.log(`prompt ${i} differs: ${JSON.stringify(prompt.slice(0, 60))}`);
    drafted += with_.draftedTokens;
    accepted += with_.acceptedTokens;
    tokens += with_.tokens;
  }
  model.dispose();
  console.log(`${same} of ${prompts} texts are the same; ${tokens} tokens, ${accepted} of ${drafted} drafts accepted`);
  return { file: file.split('/').at(-1), prompts, same, tokens, drafted, accepted };
}
