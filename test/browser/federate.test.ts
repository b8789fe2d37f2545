/** A page and two Node clients in one federation, with secure aggregation and real training; and a page in a Flower federation. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { describe, expect, it } from 'vitest';
import { fleetPassThrough } from '../../src/federated/index.ts';
import { FLOWER, startSuperLink } from '../federated/superLink.ts';
import { haveChromium, startChromium } from './chromium.ts';
import { memberPage, openFederation, serveFederated } from './pageFederation.ts';
import { isolation, servePages } from './pageServer.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

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
  it('trains with two Node clients, each round summed from three masked updates', { timeout: 180_000 }, async () => {
    const pages = await servePages();
    serveFederated(pages);
    const browser = await startChromium();
    const { federation, url, weights, heldOutLoss, play, close } = await openFederation({ rounds: 2 });
    try {
      const member = await memberPage(await browser.newContext(), pages.isolated);
      const inPage = member.takePart(url, { interval: 100, personal: { path: 'mine/adapter.gguf', steps: 2 } });
      const [found] = await Promise.all([inPage, play()]);
      expect(found).toMatchObject({ client: member.names[0], personal: { loss: expect.any(Number) } });
      const round = ['join', 'shares', 'update', 'confirm', 'unmask'].map((kind) => `${kind} accepted`);
      expect(member.events).toEqual([...round, ...round]);
      expect(federation.report.map(({ outcome, contributors }) => [outcome, contributors])).toEqual([
        ['closed', 3],
        ['closed', 3],
      ]);
      // all texts are alike, and two steps change little
      for (const { trainingLoss } of federation.report) expect(trainingLoss).toBeCloseTo(heldOutLoss, 0);
      expect(federation.weights).not.toEqual(weights);
      // the personal adapter is in the page's private file system
      const magic = await member.page.evaluate(async () => {
        const folder = await (await navigator.storage.getDirectory()).getDirectoryHandle('mine');
        const file = await (await folder.getFileHandle('adapter.gguf')).getFile();
        return file.slice(0, 4).text();
      });
      expect(magic).toBe('GGUF');
    } finally {
      await browser.close();
      await pages.close();
      await close();
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
