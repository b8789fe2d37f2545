/** A page and two Node clients in one federation, with secure aggregation and real training; the page trains in a worker. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeModel } from '../../scripts/models/index.ts';
import { serveFederation } from '../../src/cli/federationServer.ts';
import {
  checkSettings,
  Federation,
  fleetPassThrough,
  httpConnection,
  identity,
  memoryJournal,
  modelTrainer,
  openTrainingModel,
  Participant,
  textsOf,
} from '../../src/federated/index.ts';
import { FLOWER, startSuperLink } from '../federated/superLink.ts';
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

/** A node of a Flower federation in a page's worker: adds 3 to every value, with 30 examples. */
const flowerWorker = `
import { FlowerNode, flowerKey } from './src/federated/index.ts';
const takePart = async ({ url, replies }) => {
  const kinds = [];
  const stopping = new AbortController();
  const handle = async ({ type, content }) => {
    const { weights } = content.arrays.arrays;
    if (type === 'evaluate') return { metrics: { kind: 'metrics', values: { loss: 0.5, 'num-examples': 30n } } };
    return {
      arrays: { kind: 'arrays', arrays: { weights: { ...weights, data: weights.data.map((value) => value + 3) } } },
      metrics: { kind: 'metrics', values: { train_loss: 2, 'num-examples': 30n } },
    };
  };
  const onEvent = ({ kind, messageType }) => {
    kinds.push(messageType ? kind + ' ' + messageType : kind);
    if (kinds.filter((kind) => kind.startsWith('replied')).length === replies) stopping.abort();
    if (kind === 'online') postMessage('online');
  };
  const node = new FlowerNode(url, flowerKey(), { handle, onEvent });
  await node.start();
  await node.run({ signal: stopping.signal });
  await node.stop();
  return kinds;
};
onmessage = ({ data }) => takePart(data).then(postMessage, (error) => postMessage(String(error.stack)));`;

async function bundled(worker: string): Promise<Uint8Array> {
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
    const script = await bundled(worker);
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
          ['join', 'shares', 'update', 'confirm', 'unmask'].map((kind) => `${round} ${kind}`),
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

if (!FLOWER) console.log('skipped: FLOWER_BIN names no folder with the commands of flwr 1.42');

describe.skipIf(!FLOWER || !haveChromium())('a Flower federation with a page', () => {
  it('averages what the page and a Python node send', { timeout: 300_000 }, async () => {
    const script = await bundled(flowerWorker);
    const link = await startSuperLink(FLOWER!);
    const pass = fleetPassThrough(link.url);
    const pages = await servePages();
    const refused: number[] = [];
    pages.answerFirst = (request, response, path) => {
      if (path === '/flower.js')
        response.writeHead(200, { 'content-type': 'text/javascript', ...isolation }).end(script);
      else if (request.method === 'POST' || path.startsWith('/v1/')) void answer(pass, request, response);
      else return false;
      return true;
    };
    const browser = await startChromium();
    try {
      const page = await browser.newPage();
      await page.goto(pages.isolated);
      await page.evaluate(() => {
        const own = new Worker('/flower.js', { type: 'module' });
        const scope = globalThis as unknown as { kinds: Promise<unknown>; online: Promise<unknown> };
        scope.online = new Promise((online, reject) => {
          scope.kinds = new Promise((resolve) => {
            own.onmessage = ({ data }) => (data === 'online' ? online(data) : resolve(data));
            own.onerror = (event) => reject(new Error(event.message));
          });
        });
        own.postMessage({ url: `${location.origin}/`, replies: 4 });
      });
      await page.evaluate(() => (globalThis as unknown as { online: Promise<unknown> }).online);
      await link.startPythonNode();
      const { weights, train } = await link.run('num-rounds=2 size=6');
      // (10 · 1 + 30 · 3) / 40 = 2.5 a round
      expect(weights).toEqual([5, 6, 7, 8, 9, 10]);
      expect(train['1'].train_loss).toBeCloseTo(1.75, 6);
      const kinds = await page.evaluate(() => (globalThis as unknown as { kinds: Promise<unknown> }).kinds);
      const round = ['received train', 'replied train', 'received evaluate', 'replied evaluate'];
      expect(kinds).toEqual(['online', ...round, ...round]);
      // only the calls of nodes pass
      for (const path of ['v1/fleet/list-nodes', 'v1/control/start-run', 'health'])
        refused.push((await pass(new Request(`http://page/${path}`, { method: 'POST', body: '' }))).status);
      expect(refused).toEqual([404, 404, 404]);
    } finally {
      await browser.close();
      await pages.close();
      await link.stop();
    }
  });
});

async function answer(
  pass: (request: Request) => Promise<Response>,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const headers = Object.entries(request.headers).map(([name, value]) => [name, String(value)] as [string, string]);
  const init = { method: request.method, headers, ...(request.method === 'POST' && { body: await buffer(request) }) };
  const answered = await pass(new Request(`http://page${request.url}`, init));
  response.writeHead(answered.status, Object.fromEntries(answered.headers));
  response.end(Buffer.from(await answered.arrayBuffer()));
}
