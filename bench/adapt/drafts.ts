/** Measures the gain of lookup drafting on text that repeats, and its cost on other text. The tokens must be the same. */
import { readFileSync } from 'node:fs';
import { load, type Model } from '../../src/index.ts';
import { quantile } from '../../src/runtime/statistics.ts';

/** A list that the model continues by copying, and the beginning of a story. */
const prompts: Readonly<Record<string, string>> = {
  copy: repeated(),
  story: 'Once upon a time there was a small boat that wanted to see the ocean. One morning',
};

/** The same lines twice, and the beginning of a third time: what edits of code and answers about documents look like. */
function repeated(): string {
  const lines = Array.from(
    { length: 10 },
    (_, i) =>
      `  { id: ${17 * i + 3}, name: 'item ${String.fromCharCode(97 + i)}${i}', price: ${(i * 7.35 + 2.5).toFixed(2)} },`,
  ).join('\n');
  return `const items = [\n${lines}\n];\n\nconst items = [\n${lines}\n];\n\nconst items = [\n${lines.split('\n')[0]}\n`;
}

interface DraftRow {
  readonly text: string;
  readonly isSame: boolean;
  readonly tokens: number;
  readonly gain: number;
  readonly tokensPerSecond: number;
  readonly accepted: number;
  readonly drafted: number;
}

/** @param file GGUF file @param rounds alternating runs with and without drafts */
export async function benchDrafts(
  file: string,
  { threads, rounds, tokens = 160 }: { threads?: number; rounds: number; tokens?: number },
) {
  const model = await load(new Uint8Array(readFileSync(file)), {
    context: 2048,
    ...(threads !== undefined && { threads }),
  });
  const rows: DraftRow[] = [];
  for (const [text, prompt] of Object.entries(prompts)) {
    const [on, off]: [number[], number[]] = [[], []];
    let isSame = true;
    let last = await run(model, prompt, 'lookup', tokens);
    for (let round = 0; round < rounds; round++) {
      const without = await run(model, prompt, 'off', tokens);
      last = await run(model, prompt, 'lookup', tokens);
      on.push(last.decodeTokensPerSecond);
      off.push(without.decodeTokensPerSecond);
      isSame &&= last.ids.join() === without.ids.join();
    }
    // ratios within a round see the same machine
    const gain = quantile(
      on.map((speed, i) => speed / off[i]),
      0.5,
    );
    const { draftedTokens: drafted, acceptedTokens: accepted } = last;
    rows.push({ text, isSame, tokens: last.tokens, gain, tokensPerSecond: quantile(on, 0.5), accepted, drafted });
    console.log(
      `${text}: ${gain.toFixed(2)} × (${quantile(on, 0.5).toFixed(1)} tokens/s), ${accepted} of ${drafted} drafts accepted in ${last.tokens} tokens, ${isSame ? 'the same' : 'OTHER'} tokens`,
    );
  }
  const { settings } = model.backend;
  model.dispose();
  return { file: file.split('/').at(-1), ...settings, rounds, texts: rows };
}

async function run(model: Model, prompt: string, draft: 'lookup' | 'off', maxTokens: number) {
  using session = model.session();
  return await session.generate(prompt, { draft, maxTokens }).result;
}
