import { expect, it } from 'vitest';
import type { Comparison } from './compare.ts';
import { comparePage } from './comparePage.ts';

const divergence = (mean: number) => ({
  mean,
  sigma: mean / 50,
  median: mean,
  p90: mean,
  p95: mean,
  p99: 3 * mean,
  max: mean,
});
const model = (name: string, bytes: number, kld: number | undefined, rate?: number): Comparison => ({
  ...{ model: name, bytes, perplexity: 10, perplexityRatio: 1.01, tokens: 900, isOnFront: false, top1: 0.9 },
  ...(kld !== undefined && { kld: divergence(kld) }),
  decodeTokensPerSecond: rate,
});
const rows = [
  model('whole <f16>', 200e6, undefined, 10),
  model('q4', 60e6, 0.02, 30),
  model('q3', 50e6, 0.1, 35),
  model('worse', 61e6, 0.03, 20),
];

it('shows every model in a table and in two plots, and joins the best ones', () => {
  const page = comparePage(rows, 'a & b.txt');
  expect(page).toContain('whole &#60;f16&#62;');
  expect(page).toContain('a &#38; b.txt');
  expect(page.match(/<svg/g)).toHaveLength(2);
  expect(page.match(/class="best"/g)).toHaveLength(4);
  expect(page.match(/class="all"/g)).toHaveLength(2);
  expect(page.match(/<tr>/g)).toHaveLength(5);
  // the front has two points, from few bytes to many
  const [, points] = /<polyline class="front" points="([^"]*)"/.exec(page)!;
  const places = points.split(' ').map((point) => Number(point.split(',')[0]));
  expect(places).toHaveLength(2);
  expect(places[0]).toBeLessThan(places[1]);
  expect(page).not.toMatch(/NaN|Infinity|undefined/);
});

it('leaves out the plot of times that were not measured, and shows a divergence of 0', () => {
  const page = comparePage([model('whole', 2e6, undefined), model('same', 2e6, 0)], 'text');
  expect(page.match(/<svg/g)).toHaveLength(1);
  expect(page).not.toMatch(/NaN|Infinity|undefined/);
});
