/** Writes samples during training: generates text with the training program itself. */
import { OptionError } from '../core/errors.ts';
import type { Program } from '../graph/program.ts';
import { Engine } from '../runtime/engine.ts';
import { Session } from '../runtime/session.ts';
import { formatByName } from '../tensor/formats.ts';
import { createLenientChatTemplate } from '../tokenizer/chatTemplate.ts';
import { createTokenizer } from '../tokenizer/tokenizer.ts';
import { randomAt } from './data/randomAt.ts';
import { generationInputs } from './learner.ts';
import type { Recipe } from './recipe/schema.ts';
import type { StartingPoint } from './startingPoint.ts';

/** @param index index of the prompt @returns the continuation without the prompt */
export type WriteSample = (prompt: string, step: number, index: number, signal?: AbortSignal) => Promise<string>;

/** Stream of random numbers, see `randomAt`. */
const SAMPLES = 4;

/** @throws {OptionError} if a prompt has no tokens @throws {ContextError} if a prompt is longer than the context */
export function sampleWriter(
  { samples, seed, name }: Recipe,
  program: Program,
  context: number,
  { tokenizer: spec, checkpoint }: StartingPoint,
): WriteSample {
  const tokenizer = createTokenizer(spec);
  const template = createLenientChatTemplate(checkpoint.chatTemplate);
  const kv = formatByName('F32');
  const engine = new Engine(name, program, { context, kv, template, tokenizer, inputs: generationInputs });
  for (const [i, prompt] of (samples?.prompts ?? []).entries()) {
    const ids = tokenizer.encode(prompt, { addEos: false });
    if (ids.length === 0) throw new OptionError(`samples.prompts[${i}]`, JSON.stringify(prompt), 'at least one token');
    engine.checkTokens(ids, `samples.prompts[${i}]`);
  }
  return async (prompt, step, index, signal) => {
    // the learner writes weights on its own
    engine.weightsChanged();
    const session = new Session(engine, engine.sequence());
    const { tokens: maxTokens, temperature } = samples!;
    const samplerSeed = randomAt(seed, SAMPLES, step, index).integer(2 ** 32);
    try {
      return (await session.generate(prompt, { maxTokens, temperature, seed: samplerSeed, signal }).result).text;
    } finally {
      session.dispose();
    }
  };
}
