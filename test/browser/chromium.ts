/** Headless Chromium for tests: /usr/bin/chromium, or the path in CHROMIUM. */
import { existsSync } from 'node:fs';
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';

/** CI sets ESPALIER_BROWSER=required, so that no browser test is skipped. */
const required = process.env.ESPALIER_BROWSER === 'required';
const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium';

const flags = [
  '--headless=new',
  '--no-sandbox',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  // pages of such hosts are not secure contexts, unlike those of localhost
  '--host-resolver-rules=MAP *.test 127.0.0.1',
];

/** Returns true if there is a browser. Otherwise prints why tests are skipped. */
export function haveChromium(): boolean {
  if (existsSync(executablePath) || required) return true;
  console.log(`skipped: the browser suite, as there is no ${executablePath} (CHROMIUM names another one)`);
  return false;
}

export function startChromium(): Promise<Browser> {
  return chromium.launch({ executablePath, args: flags });
}

/** A page that has loaded the library, with its console errors and uncaught exceptions. */
export interface TestPage {
  readonly page: Page;
  readonly errors: string[];
}

export async function openPage(browser: Browser | BrowserContext, url: string): Promise<TestPage> {
  const page = await browser.newPage();
  const errors: string[] = [];
  page.on('console', (message) => {
    if (message.type() === 'error' || message.type() === 'warning') errors.push(message.text());
  });
  page.on('pageerror', (error) => errors.push(String(error)));
  await page.goto(url);
  await page.waitForFunction(() => 'espalier' in globalThis);
  return { page, errors };
}
