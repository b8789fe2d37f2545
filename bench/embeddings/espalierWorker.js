/** Embeds sentences with Espalier in a worker of a page. */
import { load } from '/lib/espalier.js';

addEventListener('message', async ({ data: { sentences, threads } }) => {
  const model = await load(`${location.origin}/model/`, { threads });
  await model.embed(sentences.slice(0, 8));
  const started = performance.now();
  await model.embed(sentences);
  postMessage({ seconds: (performance.now() - started) / 1000, threads: model.backend.settings.threads });
});
