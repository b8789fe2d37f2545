/** Headless Chromium for tests: /usr/bin/chromium, or the path in CHROMIUM. */
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';
import { installed } from './installed.ts';

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
  return installed('the browser suite', executablePath, 'CHROMIUM');
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
