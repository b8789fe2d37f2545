/** What a stranger's strict compiler must accept of the package, and what it must refuse. */
import { type CheckpointSource, estimate, type LoadOptions, load, type Model, OptionError } from 'espalier';
import { train } from 'espalier/train';
export async function run(maybe: AbortSignal | undefined, n: number | undefined): Promise<string> {
  const model: Model = await load('x.gguf', { signal: maybe, threads: n });
  const session = model.session();
  for await (const { text } of session.generate('a', { signal: maybe, maxTokens: n })) console.log(text);
  await estimate('x');
  await train('recipe.json', { signal: maybe });
  model.dispose();
  return String(OptionError);
}
// @ts-expect-error a number is no source
export const wrong: CheckpointSource = 12345;
export const options: LoadOptions = {};
