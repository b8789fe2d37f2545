/** Loads, generates, aborts and disposes with the installed package: what every JavaScript runtime must be able to do. */
import { load } from 'espalier';
import { train } from 'espalier/train';

const model = await load(process.argv[2], { threads: 2 });
const session = model.session();
const { text, tokens } = await session.generate('Once upon', { temperature: 0, maxTokens: 12 }).result;
const controller = new AbortController();
let reason;
try {
  for await (const _ of session.generate('Once upon', { signal: controller.signal })) controller.abort('enough');
} catch (error) {
  reason = error;
}
const { backend } = model;
model.dispose();
const disposed = await session.generate('a').result.catch((error) => error.code);
if (tokens !== 12 || reason !== 'enough' || disposed !== 'DISPOSED' || typeof train !== 'function')
  throw new Error(`tokens ${tokens}, reason ${reason}, after dispose ${disposed}, train ${typeof train}`);
console.log(JSON.stringify({ text, threads: backend.settings.threads, limits: backend.limits }));
