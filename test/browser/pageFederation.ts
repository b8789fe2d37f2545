/** A federation for tests in a browser: a server, Node clients that share one model, and pages that call `takePart`. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { BrowserContext, Page } from 'playwright-core';
import { makeModel } from '../../scripts/models/index.ts';
import { serveFederation } from '../../src/cli/federationServer.ts';
import type * as Federated from '../../src/federated/index.ts';
import {
  checkSettings,
  Federation,
  type FederationInput,
  httpConnection,
  identity,
  memoryJournal,
  modelTrainer,
  openTrainingModel,
  Participant,
  textsOf,
} from '../../src/federated/index.ts';
import { text } from '../train/tinyRun.ts';
import type { PageServer } from './pageServer.ts';

const dimensions = { width: 64, heads: 2, kvHeads: 2, headSize: 32, ffn: 64, layers: 2, vocabulary: 320 };

export interface TestFederation {
  readonly federation: Federation;
  /** URL of the server. */
  readonly url: string;
  /** Weights before the first round. */
  readonly weights: Float32Array;
  /** Loss of these weights on texts that the Node clients hold out, in nats per token. */
  readonly heldOutLoss: number;
  /** Two clients, which take turns because they share one model. */
  readonly clients: readonly Participant[];
  /** Lets the clients take steps until the condition is true, or the federation ends. */
  play(isDone?: () => boolean): Promise<void>;
  close(): Promise<void>;
}

/** Three clients train an adapter in secure rounds, as long as `changes` says nothing else. */
export async function openFederation(changes: Partial<FederationInput> = {}): Promise<TestFederation> {
  const folder = mkdtempSync(join(tmpdir(), 'espalier-page-federation-'));
  const base = join(folder, 'base.gguf');
  writeFileSync(base, await makeModel({ architecture: 'llama', format: 'Q8_0', dimensions }));
  const settings = checkSettings({
    ...{ name: 'mixed', rounds: 1, cohort: 3, deadlines: { open: 150, keys: 150, update: 150, unmask: 150 } },
    training: { model: base, lora: { rank: 2 }, steps: 2, batch: 2, sequence: 16 },
    ...changes,
  });
  const model = await openTrainingModel(settings.training, { threads: 1 });
  const weights = await model.readWeights();
  const data = await model.openData(textsOf([new Blob([text.slice(500, 1500)])]));
  const { loss: heldOutLoss } = await model.heldOutLoss(data);
  const federation = await Federation.open(settings, { journal: memoryJournal(), weights }, Date.now());
  let failure: Error | undefined;
  const server = await serveFederation(federation, { host: '127.0.0.1', port: 0, model: base }, (error) => {
    failure = error;
  });
  const trainer = modelTrainer(model, data);
  const clients = [1, 2].map(() => new Participant(httpConnection(server.url), { identity: identity(), trainer }));
  return {
    ...{ federation, url: server.url, weights, heldOutLoss, clients },
    async play(isDone = () => false) {
      while (!isDone()) {
        if (failure) throw failure;
        const results = [];
        for (const client of clients) results.push(await client.step());
        if (results.includes('finished')) return;
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    },
    async close() {
      await server.close();
      await data.close();
      await model.dispose();
      rmSync(folder, { recursive: true });
    },
  };
}

/** Options of `takePart` that can be sent to a page. */
export type PageOptions = Pick<
  Federated.TakePartOptions,
  'folder' | 'when' | 'personal' | 'interval' | 'allowVisible'
> & {
  readonly refuse?: boolean /** `onEvent` throws at the first event whose name this is. */;
  readonly throwAt?: string;
};

export type Taken = Federated.TakePartResult | { readonly failure: string };

/** A page that takes part. */
export interface MemberPage {
  readonly page: Page;
  /** Events of `takePart`, in short: 'waiting: …', 'sent join', 'client'. Over reloads too. */
  readonly events: string[];
  /** Account of what leaves the device, as it was shown. */
  readonly accounts: string[];
  /** Names of the client, one for each call of `takePart`. */
  readonly names: string[];
  /** Calls `takePart`. */
  takePart(url: string, options?: PageOptions): Promise<Taken>;
  /** Aborts the signal. */
  withdraw(): Promise<void>;
}

interface Scope {
  readonly federated: typeof Federated;
  withdrawing: AbortController;
  report(kind: 'event' | 'account' | 'name', text: string): void;
}

const script = `import * as federated from '/lib/federated.js';
globalThis.federated = federated;`;

/** Serves the script that pages take part with. */
export function serveFederated(pages: PageServer): void {
  pages.answerFirst = (_, response, path) => {
    if (path !== '/federated.js') return false;
    response.writeHead(200, { 'content-type': 'text/javascript' }).end(script);
    return true;
  };
}

export async function memberPage(context: BrowserContext, url: string): Promise<MemberPage> {
  const page = await context.newPage();
  const found = { event: [] as string[], account: [] as string[], name: [] as string[] };
  await page.exposeFunction('report', (kind: keyof typeof found, line: string) => found[kind].push(line));
  await page.goto(url);
  return {
    ...{ page, events: found.event, accounts: found.account, names: found.name },
    async takePart(server, options = {}) {
      await page.addScriptTag({ url: '/federated.js', type: 'module' });
      await page.waitForFunction(() => 'federated' in globalThis);
      return page.evaluate(
        async ([server, words, { refuse = false, throwAt, ...options }]) => {
          const scope = globalThis as unknown as Scope;
          scope.withdrawing = new AbortController();
          try {
            return await scope.federated.takePart(server, {
              ...options,
              texts: [new File([words], 'notes.txt')],
              threads: 1,
              signal: scope.withdrawing.signal,
              agree: (account) => {
                scope.report('account', account);
                return !refuse;
              },
              onEvent: (event) => {
                if ('client' in event) scope.report('name', event.client);
                else if ('sent' in event) scope.report('event', `${event.sent} ${event.receipt.status}`);
                else if ('waiting' in event) scope.report('event', `waiting: ${event.waiting}`);
                else scope.report('event', String(Object.values(event)));
                if ('sent' in event && event.sent === throwAt) throw new RangeError('the page is broken');
              },
            });
          } catch (error) {
            const { name, code } = error as Federated.FederatedError;
            const known = error instanceof scope.federated.FederatedError;
            return { failure: known ? `${name} ${code}` : String(error) };
          }
        },
        [server, text.slice(0, 900), options] as const,
      );
    },
    withdraw: () => page.evaluate(() => (globalThis as unknown as Scope).withdrawing.abort(new Error('enough'))),
  };
}

/** Largest difference of two arrays. */
export function largestDifference(a: Float32Array, b: Float32Array): number {
  return a.reduce((largest, value, i) => Math.max(largest, Math.abs(value - b[i])), 0);
}
