/**
 * Firefox and WebKitGTK load, generate, abort and dispose. A browser is started with the URL of a page that does this by
 * itself and sends what it found to the page's server, so it needs neither a driver nor a protocol.
 */
import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type * as Espalier from '../../src/index.ts';
import { load } from '../../src/index.ts';
import { installed } from './installed.ts';
import { type PageServer, servePages } from './pageServer.ts';

const sapling = fileURLToPath(new URL('../../models/sapling.gguf', import.meta.url));
const PROMPT = 'Once upon a time';
const TOKENS = 24;
const BROWSER_MS = 100_000;

interface Browser {
  readonly name: string;
  readonly path: string;
  /** Environment variable that names another path. */
  readonly variable: string;
  /** @param profile an empty folder @returns the command line that opens the page */
  command(path: string, profile: string, url: string): readonly string[];
  /** True if an isolated page has shared memory, which threads need. */
  readonly sharedMemory: boolean;
}

const browsers: readonly Browser[] = [
  {
    name: 'Firefox',
    path: '/usr/bin/firefox-esr',
    variable: 'FIREFOX',
    command(path, profile, url) {
      const preferences = {
        'browser.aboutwelcome.enabled': false,
        'browser.shell.checkDefaultBrowser': false,
        'datareporting.policy.dataSubmissionEnabled': false,
      };
      const lines = Object.entries(preferences).map(([name, value]) => `user_pref("${name}", ${value});\n`);
      writeFileSync(join(profile, 'user.js'), lines.join(''));
      return [path, '--headless', '--no-remote', '--profile', profile, url];
    },
    sharedMemory: true,
  },
  {
    name: 'WebKitGTK',
    path: '/usr/lib/x86_64-linux-gnu/webkit2gtk-4.1/MiniBrowser',
    variable: 'WEBKITGTK',
    command: (path, _, url) => ['xvfb-run', '--auto-servernum', path, '--private', url],
    sharedMemory: false,
  },
];

/** Report of a page. */
interface Outcome {
  readonly isolated: boolean;
  readonly ids?: readonly number[];
  readonly threads?: unknown;
  readonly limits?: readonly string[];
  readonly aborted?: unknown;
  readonly disposed?: unknown;
  /** The step that failed or did not end, and why. */
  readonly failure?: string;
  readonly unhandled: readonly string[];
}

/** Runs in the page, so it may use nothing of this file but its arguments. */
async function smoke(espalier: typeof Espalier, prompt: string, maxTokens: number, ownThread: boolean): Promise<void> {
  const unhandled: string[] = [];
  addEventListener('error', ({ message }) => unhandled.push(message));
  addEventListener('unhandledrejection', ({ reason }) => unhandled.push(String(reason)));
  let step = '';
  /** Fails when the step takes too long. */
  const during = <T>(name: string, task: Promise<T>): Promise<T> => {
    step = name;
    const late = new Promise<never>((_, reject) => setTimeout(() => reject(new Error('does not end')), 60_000));
    return Promise.race([task, late]);
  };
  const found: Record<string, unknown> = { isolated: globalThis.crossOriginIsolated === true, unhandled };
  try {
    // without the package's worker the engine runs on the page's own thread
    const loading = { threads: 2, ...(ownThread && { workerUrl: '/none.js' }) };
    const model = await during('load', espalier.load('/sapling.gguf', loading));
    found.threads = model.backend.settings.threads;
    found.limits = model.backend.limits;
    const session = model.session();
    const { ids } = await during('generate', session.generate(prompt, { temperature: 0, maxTokens }).result);
    found.ids = ids;
    const controller = new AbortController();
    const abort = async () => {
      for await (const _ of session.generate(prompt, { signal: controller.signal })) controller.abort('enough');
    };
    found.aborted = await during('abort', abort()).catch((reason) => reason);
    const again = await during('generate again', session.generate(prompt, { temperature: 0, maxTokens }).result);
    if (String(again.ids) !== String(ids)) throw new Error(`other tokens after the abort: ${again.ids}`);
    step = 'dispose';
    model.dispose();
    const after = session.generate(prompt).result.catch((error: { code?: string }) => error.code);
    found.disposed = await during('generate after dispose', after);
  } catch (error) {
    found.failure = `${step}: ${error}`;
  }
  await fetch('/outcome', { method: 'POST', body: JSON.stringify(found) });
}

const known = browsers.map((browser) => ({ ...browser, path: process.env[browser.variable] ?? browser.path }));
for (const { name, path, variable, command, sharedMemory } of known) {
  describe.skipIf(!installed(`what is tested in ${name}`, path, variable))(
    `${name} loads, generates and aborts`,
    () => {
      let server: PageServer;
      let expected: readonly number[];

      beforeAll(async () => {
        server = await servePages();
        server.files.set('/sapling.gguf', readFileSync(sapling));
        const model = await load(sapling);
        ({ ids: expected } = await model.session().generate(PROMPT, { temperature: 0, maxTokens: TOKENS }).result);
        model.dispose();
        expect(expected).toHaveLength(TOKENS);
      });
      afterAll(() => server?.close());

      async function open(url: string, ownThread: boolean): Promise<Outcome> {
        const outcome = new Promise<Outcome>((resolve) => {
          server.answerFirst = (request, response, asked) => {
            if (asked === '/page.js') {
              const args = `espalier, ${JSON.stringify(PROMPT)}, ${TOKENS}, ${ownThread}`;
              const script = `import * as espalier from '/lib/espalier.js';\n(${smoke})(${args});`;
              response.writeHead(200, { 'content-type': 'text/javascript' }).end(script);
            } else if (asked === '/outcome') {
              response.end();
              void text(request).then((found) => resolve(JSON.parse(found)));
            } else if (asked === '/none.js') {
              response.writeHead(404).end();
            } else return false;
            return true;
          };
        });
        const profile = mkdtempSync(join(tmpdir(), 'espalier-browser-'));
        const [program, ...args] = command(path, profile, url);
        // a group of its own, so that the browser's processes end with it
        const browser = spawn(program, args, {
          detached: true,
          env: { ...process.env, HOME: profile, TMPDIR: profile },
        });
        let said = '';
        for (const stream of [browser.stdout, browser.stderr]) stream.on('data', (chunk) => (said += chunk));
        const closed = new Promise<void>((resolve) => browser.once('close', () => resolve()));
        let timer: NodeJS.Timeout | undefined;
        const failed = new Promise<never>((_, reject) => {
          const fail = (what: string) => reject(new Error(`${program} ${what}: ${said.slice(-2000)}`));
          browser.once('error', (error) => fail(error.message));
          browser.once('exit', (code) => fail(`ended with code ${code}`));
          timer = setTimeout(() => fail('reported nothing'), BROWSER_MS);
        });
        try {
          return await Promise.race([outcome, failed]);
        } finally {
          clearTimeout(timer);
          if (browser.pid !== undefined) {
            if (browser.exitCode === null && browser.signalCode === null) process.kill(-browser.pid);
            await closed;
          }
          rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
        }
      }

      for (const page of ['isolated', 'plain'] as const) {
        const threads = page === 'isolated' && sharedMemory ? 2 : 1;
        for (const ownThread of [false, true]) {
          it(`${page} page, ${ownThread ? "on the page's thread" : 'in the worker'}`, async () => {
            const { limits, ...outcome } = await open(server[page], ownThread);
            expect(outcome).toEqual({
              isolated: page === 'isolated',
              ids: expected,
              threads,
              aborted: 'enough',
              disposed: 'DISPOSED',
              unhandled: [],
            });
            const reasons = [
              ...(ownThread ? [expect.stringMatching(/^on the page's own thread: .*workerUrl/)] : []),
              ...(page === 'plain' ? [expect.stringMatching(/^one thread: .* not cross-origin isolated/)] : []),
              ...(page === 'isolated' && threads === 1 ? ['one thread: this browser has no SharedArrayBuffer'] : []),
            ];
            expect(limits).toEqual(reasons);
          });
        }
      }
    },
  );
}
