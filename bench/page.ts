/**
 * Shows that a page stays alive while a model works for it: the longest gap between two animation frames while it is
 * loaded, reads a prompt of 400 tokens and writes 100, and the speed of decoding beside that of the same engine called
 * from a worker of one's own. Pages with and without cross-origin isolation, in turn.
 *
 *     npx tsx bench/page.ts [--runs 3] [--threads 2] [file.gguf …]
 *
 * Without files: random weights in the shape of a 135M model, Q4_0, and Gemma 3 270M where it was downloaded. Results
 * depend on what else the machine does: the gap of a page that waits is measured too. The last line is JSON.
 */
import { existsSync, readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { basename, join } from 'node:path';
import { parseArgs } from 'node:util';
import type { Browser, Page } from 'playwright-core';
import type * as Espalier from '../src/index.ts';
import { quantile } from '../src/runtime/statistics.ts';
import { haveChromium, openPage, startChromium } from '../test/browser/chromium.ts';
import { type PageServer, servePages } from '../test/browser/pageServer.ts';
import { randomModel } from './models.ts';

declare const espalier: typeof Espalier;

const PROMPT_TOKENS = 400;
const NEW_TOKENS = 100;

/** Milliseconds. */
interface Gaps {
  readonly idle: number;
  readonly load: number;
  readonly prefill: number;
  readonly decode: number;
}

interface PageRun {
  readonly gaps: Gaps;
  readonly tokensPerSecond: number;
  readonly limits: readonly string[];
}

async function openBenchPage(browser: Browser, url: string): Promise<Page> {
  const { page } = await openPage(browser, url);
  // tsx names the functions that it sends
  await page.evaluate('globalThis.__name = (named) => named');
  return page;
}

/** Loads a model in a page and generates there, while it counts animation frames. */
async function runInPage(browser: Browser, url: string, threads: number): Promise<PageRun> {
  const page = await openBenchPage(browser, url);
  const run = await page.evaluate(
    async ({ threads, promptTokens, newTokens }): Promise<PageRun> => {
      let longest = 0;
      let last = performance.now();
      const frame = (now: number) => {
        longest = Math.max(longest, now - last);
        last = now;
        requestAnimationFrame(frame);
      };
      requestAnimationFrame(frame);
      /** Longest gap until now, and begins anew. A gap that is still open counts. */
      const gap = () => {
        const found = Math.max(longest, performance.now() - last);
        longest = 0;
        return Math.round(found * 10) / 10;
      };
      const pause = (milliseconds: number) => new Promise((resolve) => setTimeout(resolve, milliseconds));
      await pause(300);
      gap();
      await pause(2000);
      const idle = gap();
      const model = await espalier.load('/model.gguf', { threads, context: 1024 });
      const load = gap();
      const prompt = Array.from({ length: promptTokens }, (_, i) => 100 + ((i * 7919) % 3000));
      const session = model.session();
      await session.generate(prompt, { maxTokens: 0 }).result;
      const prefill = gap();
      let [pieces, first, end] = [0, 0, 0];
      for await (const { ids } of session.generate(prompt, { temperature: 0, maxTokens: newTokens })) {
        end = performance.now();
        if (pieces === 0) first = end;
        pieces += ids.length;
      }
      const decode = gap();
      const { limits } = model.backend;
      model.dispose();
      return { gaps: { idle, load, prefill, decode }, tokensPerSecond: ((pieces - 1) * 1000) / (end - first), limits };
    },
    { threads, promptTokens: PROMPT_TOKENS, newTokens: NEW_TOKENS },
  );
  await page.close();
  return run;
}

/**
 * The same generation, called from a worker that the page made itself. The page counts frames here too, which costs the
 * processors as much. @returns tokens per second
 */
async function runInWorker(browser: Browser, url: string, threads: number): Promise<number> {
  const page = await openBenchPage(browser, url);
  const rate = await page.evaluate(
    async ({ threads, promptTokens, newTokens }): Promise<number> => {
      const frame = () => requestAnimationFrame(frame);
      requestAnimationFrame(frame);
      const script = `
        import { load } from '${location.origin}/lib/espalier.js';
        const model = await load('${location.origin}/model.gguf', { threads: ${threads}, context: 1024 });
        const prompt = Array.from({ length: ${promptTokens} }, (_, i) => 100 + ((i * 7919) % 3000));
        const session = model.session();
        await session.generate(prompt, { maxTokens: 0 }).result;
        let [pieces, first, end] = [0, 0, 0];
        for await (const { ids } of session.generate(prompt, { temperature: 0, maxTokens: ${newTokens} })) {
          end = performance.now();
          if (pieces === 0) first = end;
          pieces += ids.length;
        }
        model.dispose();
        postMessage(((pieces - 1) * 1000) / (end - first));`;
      const url = URL.createObjectURL(new Blob([script], { type: 'text/javascript' }));
      const worker = new Worker(url, { type: 'module' });
      const rate = await new Promise<number>((resolve, reject) => {
        worker.onmessage = ({ data }) => resolve(data);
        worker.onerror = ({ message }) => reject(new Error(message));
      });
      worker.terminate();
      return rate;
    },
    { threads, promptTokens: PROMPT_TOKENS, newTokens: NEW_TOKENS },
  );
  await page.close();
  return rate;
}

const median = (values: readonly number[]) => quantile(values, 0.5);
const worst = (values: readonly number[]) => Math.max(...values);

/** Runs in turn, so that the machine's other work strikes all alike. Of the runs' longest gaps the median and the worst, of speeds the median. */
async function measure(browser: Browser, server: PageServer, isolated: boolean, threads: number, runs: number) {
  const url = isolated ? server.isolated : server.plain;
  const pages: PageRun[] = [];
  const workers: number[] = [];
  for (let run = 0; run < runs; run++) {
    pages.push(await runInPage(browser, url, threads));
    workers.push(await runInWorker(browser, url, threads));
  }
  const all = (name: keyof Gaps) => pages.map(({ gaps }) => gaps[name]);
  const each = <T>(of: (name: keyof Gaps) => T) => ({
    idle: of('idle'),
    load: of('load'),
    prefill: of('prefill'),
    decode: of('decode'),
  });
  const inPage = pages.map(({ tokensPerSecond }) => tokensPerSecond);
  return {
    isolated,
    gaps: each((name) => median(all(name))),
    worstGaps: each((name) => worst(all(name))),
    allGaps: each(all),
    pageTokensPerSecond: median(inPage),
    workerTokensPerSecond: median(workers),
    ratio: median(inPage.map((speed, run) => speed / workers[run]!)),
    limits: pages[0].limits,
  };
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { runs: { type: 'string', default: '3' }, threads: { type: 'string', default: '2' } },
});
const gemma = join(homedir(), '.cache/espalier-models/gemma-3-270m-q4_k_m.gguf');
const files =
  positionals.length > 0 ? positionals : [randomModel('135m', 'Q4_0').file(), ...(existsSync(gemma) ? [gemma] : [])];
if (!existsSync(gemma) && positionals.length === 0) console.log(`skipped: Gemma 3 270M, as there is no ${gemma}`);

const results: object[] = [];
if (haveChromium()) {
  const browser = await startChromium();
  const server = await servePages();
  for (const file of files) {
    server.files.set('/model.gguf', readFileSync(file));
    for (const isolated of [true, false]) {
      const found = await measure(browser, server, isolated, Number(values.threads), Number(values.runs));
      const { gaps, worstGaps, ratio } = found;
      const milliseconds = (Object.keys(gaps) as (keyof Gaps)[]).map(
        (name) => `${name} ${gaps[name]} (worst ${worstGaps[name]}) ms`,
      );
      const where = isolated ? 'isolated' : 'not isolated';
      console.log(`${basename(file)}, ${where}: median of longest gaps: ${milliseconds.join(', ')}`);
      console.log(
        `  decode ${found.pageTokensPerSecond.toFixed(1)} tokens/s in the page, ${found.workerTokensPerSecond.toFixed(1)} in a worker: ${ratio.toFixed(3)}`,
      );
      results.push({ model: basename(file), ...found });
    }
  }
  await browser.close();
  await server.close();
}
console.log(JSON.stringify(results));
