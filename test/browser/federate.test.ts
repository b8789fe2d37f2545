/** A page and two Node clients in one federation, with secure aggregation and real training; the page trains in a worker. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeModel } from '../../scripts/models/index.ts';
import { serveFederation } from '../../src/cli/federationServer.ts';
import {
  checkSettings,
  Federation,
  httpConnection,
  identity,
  memoryJournal,
  modelTrainer,
  openTrainingModel,
  Participant,
  textsOf,
} from '../../src/federated/index.ts';
import { text } from '../train/tinyRun.ts';
import { haveChromium, startChromium } from './chromium.ts';
import { isolation, type PageServer, servePages } from './pageServer.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const dimensions = { width: 64, heads: 2, kvHeads: 2, headSize: 32, ffn: 64, layers: 2, vocabulary: 320 };

/** What an application writes into its worker. */
const worker = `
import { httpConnection, identity, modelTrainer, openTrainingModel, Participant, textsOf } from './src/federated/index.ts';
const takePart = async ({ url, file }) => {
  const connection = httpConnection(url);
  const { training } = await connection.settings();
  const model = await openTrainingModel(training, { threads: 1, model: new URL('model', url).href });
  const data = await model.openData(textsOf([file]));
  const sent = [];
  const participant = new Participant(connection, {
    identity: identity(),
    trainer: modelTrainer(model, data),
    onEvent: (event) => sent.push([event.round, event.sent, event.receipt.status]),
  });
  await participant.run({ interval: 100 });
  await model.dispose();
  return { sent, bytes: participant.bytesSent };
};
onmessage = ({ data }) => takePart(data).then(postMessage, (error) => postMessage(String(error.stack)));`;

async function bundled(): Promise<Uint8Array> {
  const { outputFiles } = await build({
    ...{ bundle: true, write: false, format: 'esm', platform: 'browser', logLevel: 'error' },
    stdin: { contents: worker, resolveDir: root, loader: 'js' },
    // the package's conditional imports do this in applications
    plugins: [
      {
        name: 'leaves',
        setup: ({ onResolve }) =>
          onResolve({ filter: /^#leaf\// }, ({ path }) => ({ path: join(root, 'src', `${path.slice(6)}.browser.ts`) })),
      },
    ],
  });
  return outputFiles[0].contents;
}

describe.skipIf(!haveChromium())('a federation with a page', () => {
  const folder = mkdtempSync(join(tmpdir(), 'espalier-page-federation-'));
  let browser: Browser;
  let pages: PageServer;
  beforeAll(async () => {
    const script = await bundled();
    pages = await servePages();
    pages.answerFirst = (_, response, path) => {
      if (path !== '/federated.js') return false;
      response.writeHead(200, { 'content-type': 'text/javascript', ...isolation }).end(script);
      return true;
    };
    browser = await startChromium();
  });
  afterAll(async () => {
    await browser?.close();
    await pages?.close();
    rmSync(folder, { recursive: true });
  });

  it('trains with two Node clients, each round summed from three masked updates', { timeout: 180_000 }, async () => {
    const base = join(folder, 'base.gguf');
    writeFileSync(base, await makeModel({ architecture: 'llama', format: 'Q8_0', dimensions }));
    const settings = checkSettings({
      ...{ name: 'mixed', rounds: 2, cohort: 3, deadlines: { open: 150, keys: 60, update: 150, unmask: 60 } },
      training: { model: base, lora: { rank: 2 }, steps: 2, batch: 2, sequence: 16 },
    });
    const model = await openTrainingModel(settings.training, { threads: 1 });
    const weights = await model.readWeights();
    const federation = await Federation.open(settings, { journal: memoryJournal(), weights }, Date.now());
    const server = await serveFederation(federation, { host: '127.0.0.1', port: 0, model: base }, (error) => {
      throw error;
    });
    try {
      const page = await browser.newPage();
      await page.goto(pages.isolated);
      const inPage = page.evaluate(
        ([url, words]) =>
          new Promise<{ sent: string[][]; bytes: number } | string>((resolve) => {
            const own = new Worker('/federated.js', { type: 'module' });
            own.onmessage = ({ data }) => resolve(data);
            own.onerror = (event) => resolve(`worker: ${event.message}`);
            own.postMessage({ url, file: new File([words], 'notes.txt') });
          }),
        [`${server.url}/`, text.slice(0, 900)] as const,
      );
      const data = await model.openData(textsOf([new Blob([text.slice(500, 1500)])]));
      const participants = [1, 2].map(
        () => new Participant(httpConnection(server.url), { identity: identity(), trainer: modelTrainer(model, data) }),
      );
      // the two share one model, so they take turns
      const inNode = (async () => {
        for (let isOver = false; !isOver; ) {
          for (const participant of participants) isOver = (await participant.step()) === 'finished';
          await new Promise((resolve) => setTimeout(resolve, 50));
        }
      })();
      const [found] = await Promise.all([inPage, inNode]);
      if (typeof found === 'string') throw new Error(found);
      expect(found.sent.map(([round, kind]) => `${round} ${kind}`)).toEqual(
        ['mixed-1', 'mixed-2'].flatMap((round) =>
          ['join', 'shares', 'update', 'unmask'].map((kind) => `${round} ${kind}`),
        ),
      );
      expect(federation.report.map(({ outcome, contributors }) => [outcome, contributors])).toEqual([
        ['closed', 3],
        ['closed', 3],
      ]);
      expect(federation.weights).not.toEqual(weights);
      await data.close();
    } finally {
      await server.close();
      await model.dispose();
    }
  });
});
