/** Headless Chromium for tests: Debian's, or the one that CHROMIUM names. */
import { existsSync } from 'node:fs';
import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';

/** CI sets ESPALIER_BROWSER=required: then no test of a browser may be skipped. */
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
];

/** Whether there is a browser; prints the reason where tests are skipped for want of one. */
export function haveChromium(): boolean {
  if (existsSync(executablePath) || required) return true;
  console.log(`skipped: the browser suite, as there is no ${executablePath} (CHROMIUM names another one)`);
  return false;
}

export function startChromium(): Promise<Browser> {
  return chromium.launch({ executablePath, args: flags });
}

/** A page that has loaded the library, and its errors: console errors and uncaught exceptions. */
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
