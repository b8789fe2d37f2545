/**
 * Speed of decoding and encoding deltas of quantized tensors on one core, in Node and in Chromium. Limits: 100 MB of the new tensor per second decoded; encoded
 * in at most 2 minutes per GB, which is 8.3 MB per second.
 *
 *   npx tsx bench/deltaSpeed.ts [--formats Q4_0,Q8_0,Q4_K,Q6_K] [--noises 0.001,0.01,0.1]
 */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { build } from 'esbuild';
import { haveChromium, startChromium } from '../test/browser/chromium.ts';
import { type DeltaSpeed, measure } from './deltaSpeed/measure.ts';

const { values } = parseArgs({
  options: {
    formats: { type: 'string', default: 'Q4_0,Q8_0,Q4_K,Q6_K' },
    noises: { type: 'string', default: '0.001,0.01,0.1' },
  },
});
const formats = values.formats.split(',');
const noises = values.noises.split(',').map(Number);
const LEAST_DECODING = 100;
const LEAST_ENCODING = 1000 / 120;

async function inChromium(): Promise<DeltaSpeed[]> {
  const bundled = await build({
    entryPoints: [fileURLToPath(new URL('deltaSpeed/measure.ts', import.meta.url))],
    bundle: true,
    write: false,
    format: 'esm',
    // leaves come from dist: npm run build
    conditions: ['browser'],
    logLevel: 'silent',
  });
  const server = createServer((request, response) => {
    if (request.url !== '/measure.js')
      return void response.setHeader('content-type', 'text/html').end('<!doctype html>');
    response.setHeader('content-type', 'text/javascript').end(bundled.outputFiles[0].text);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const browser = await startChromium();
  try {
    const page = await browser.newPage();
    await page.goto(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
    return await page.evaluate(
      async ([formats, noises]) => (await import('/measure.js' as string)).measure(formats, noises),
      [formats, noises] as const,
    );
  } finally {
    await browser.close();
    server.close();
  }
}

const places: Record<string, DeltaSpeed[]> = { node: await measure(formats, noises) };
if (haveChromium()) places.chromium = await inChromium();
for (const [place, speeds] of Object.entries(places)) {
  console.log(place);
  console.table(speeds);
}
console.log(JSON.stringify({ node: process.version, ...places }));
const isEnough = ({ decoding, encoding }: DeltaSpeed) => decoding >= LEAST_DECODING && encoding >= LEAST_ENCODING;
process.exitCode = Object.values(places).flat().every(isEnough) ? 0 : 1;
