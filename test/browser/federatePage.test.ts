/** `takePart` in a page: over reloads, beside another tab, by its sensors, and withdrawn. */
import type { Browser, BrowserContext } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { haveChromium, startChromium } from './chromium.ts';
import {
  largestDifference,
  type MemberPage,
  memberPage,
  openFederation,
  serveFederated,
  type TestFederation,
} from './pageFederation.ts';
import { type PageServer, servePages } from './pageServer.ts';

const patiently = { timeout: 60_000 };

describe.skipIf(!haveChromium())('a member in a page', () => {
  let browser: Browser;
  let pages: PageServer;
  let context: BrowserContext;
  let test: TestFederation;
  const open = (): Promise<MemberPage> => memberPage(context, pages.isolated);

  beforeAll(async () => {
    pages = await servePages();
    serveFederated(pages);
    browser = await startChromium();
  });
  afterAll(async () => {
    await browser?.close();
    await pages?.close();
  });
  beforeEach(async () => {
    context = await browser.newContext();
    test = await openFederation();
  });
  afterEach(async () => {
    await context.close();
    await test.close();
  });

  it('continues its round when it is reloaded, with the same identity and the same masks', async () => {
    const member = await open();
    const { events, names, page } = member;
    const ended = () => member.takePart(test.url).catch(() => undefined);
    await test.play(() => test.federation.round?.joined === 2);
    void ended();
    await expect.poll(() => events, patiently).toContain('shares accepted');
    // its keys are in the roster, but it has not trained yet
    await page.reload();
    void ended();
    await test.play(() => test.federation.round?.phase === 'update');
    await expect.poll(() => events, patiently).toContain('update accepted');
    // the masks of its update are in the sum: without the secrets of the first page they could not be removed
    await page.reload();
    const last = ended();
    await test.play();
    expect(await last).toMatchObject({ client: names[0] });
    expect(names).toEqual([names[0], names[0], names[0]]);
    expect(events.filter((event) => event !== 'shares duplicate' && event !== 'update duplicate')).toEqual(
      ['join', 'shares', 'update', 'confirm', 'unmask'].map((kind) => `${kind} accepted`),
    );
    expect(test.federation.report).toMatchObject([{ outcome: 'closed', contributors: 3 }]);
    // masks that do not cancel would move the weights by up to the clip
    const moved = largestDifference(test.federation.weights, test.weights);
    expect(moved).toBeGreaterThan(0);
    expect(moved).toBeLessThan(0.01);
  });

  it('refuses a second tab with the same identity until the first one is closed', async () => {
    const [first, second] = [await open(), await open()];
    void first.takePart(test.url).catch(() => undefined);
    await expect.poll(() => first.events, patiently).toContain('join accepted');
    expect(await second.takePart(test.url)).toEqual({ failure: 'FederatedError FOLDER_IN_USE' });
    expect([second.names, second.events]).toEqual([[], []]);
    void second.takePart(test.url, { folder: 'another/one' }).catch(() => undefined);
    await expect.poll(() => second.names, patiently).toHaveLength(1);
    expect(second.names).not.toEqual(first.names);
    await second.page.reload();
    await first.page.close();
    void second.takePart(test.url).catch(() => undefined);
    await expect.poll(() => second.names, patiently).toHaveLength(2);
    expect(second.names[1]).toBe(first.names[0]);
  });

  it('joins once the device charges and is not metered, and says what it waits for', async () => {
    await context.addInitScript(() => {
      const battery = { level: 0.4, charging: false };
      Object.assign(globalThis, { battery });
      Object.assign(navigator, { getBattery: async () => battery });
    });
    const member = await open();
    const session = await context.newCDPSession(member.page);
    const saveData = (dataSaverEnabled: boolean) =>
      session.send('Emulation.setDataSaverOverride' as never, { dataSaverEnabled } as never);
    await saveData(true);
    const when = { charging: true, unmetered: true };
    void member.takePart(test.url, { when, interval: 50 }).catch(() => undefined);
    await expect.poll(() => member.events, patiently).toEqual(['waiting: it runs on battery, at 40%']);
    await member.page.evaluate(() => {
      (globalThis as unknown as { battery: { charging: boolean } }).battery.charging = true;
    });
    await expect.poll(() => member.events.at(-1), patiently).toBe('waiting: the user asks to save data');
    expect(test.federation.round?.joined).toBe(0);
    await saveData(false);
    await expect.poll(() => member.events.at(-1), patiently).toBe('join accepted');
    expect(test.federation.round?.joined).toBe(1);
  });

  it('sends nothing before the owner has seen what leaves, and leaves the round when she withdraws', async () => {
    const member = await open();
    expect(await member.takePart(test.url, { refuse: true })).toEqual({ failure: 'FederatedError NOT_ALLOWED' });
    expect(member.accounts[0]).toContain('Your update is masked');
    const kept = () =>
      member.page.evaluate(async () => {
        const names: string[] = [];
        for await (const name of (await navigator.storage.getDirectory()).keys()) names.push(name);
        return names;
      });
    expect(await kept()).not.toContain('federation-client');
    const ended = member.takePart(test.url);
    await expect.poll(() => member.events, patiently).toEqual(['join accepted']);
    expect(test.federation.round?.joined).toBe(1);
    await member.withdraw();
    expect(await ended).toEqual({ failure: 'Error: enough' });
    expect(member.events).toEqual(['join accepted', 'withdraw accepted']);
    expect(test.federation.round?.joined).toBe(0);
    expect(await kept()).toContain('federation-client');
  });

  it('leaves its round when a callback of the page throws, and may come again', async () => {
    const member = await open();
    expect(await member.takePart(test.url, { throwAt: 'join' })).toEqual({ failure: 'RangeError: the page is broken' });
    expect(member.events).toEqual(['join accepted', 'withdraw accepted']);
    expect(test.federation.round?.joined).toBe(0);
    // the worker has let go of the folder
    void member.takePart(test.url).catch(() => undefined);
    await expect.poll(() => member.names, patiently).toHaveLength(2);
  });
});
