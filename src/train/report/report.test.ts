import { describe, expect, it } from 'vitest';
import type { LogLine } from '../log/logLine.ts';
import { CHART_STYLE, chart } from './chart.ts';
import { trainingReport } from './report.ts';

function run(steps: number): LogLine[] {
  const recipe = { seed: 1, data: { sources: [{ path: 'a<b.txt', weight: 2 }] }, optimizer: { betas: [0.9, 0.99] } };
  const lines: LogLine[] = [{ kind: 'start', step: 0, parameters: 800_000, recipe }];
  for (let step = 1; step <= steps; step++) {
    const loss = 4 / Math.sqrt(step);
    lines.push({ kind: 'step', step, loss, learningRate: 1e-3, gradientNorm: 1 / step, tokens: 768, seconds: 0.25 });
    if (step % 50 > 0) continue;
    const texts = [
      { name: 'a.txt', loss: loss + 0.1 },
      { name: 'b.txt', loss: loss + 0.3 },
    ];
    lines.push({ kind: 'evaluation', step, loss: loss + 0.2, texts, seconds: 1 });
    lines.push({ kind: 'sample', step, prompt: 'Once', text: `<script>alert(${step})</script> & more` });
  }
  return lines;
}

/** Checks that every element is closed in the right order. */
function expectBalanced(html: string): void {
  const open: string[] = [];
  for (const [tag, end, name, empty] of html.matchAll(/<(\/?)([a-z0-9]+)[^>]*?(\/?)>/g)) {
    if (empty || ['meta'].includes(name)) continue;
    if (!end) open.push(name);
    else expect([tag, open.pop()]).toEqual([tag, name]);
  }
  expect(open).toEqual([]);
}

describe('the report of a run', () => {
  it('shows curves, samples and the recipe without external resources', () => {
    const html = trainingReport('Shakespeare <1>', [...run(200), { kind: 'end', step: 200, reason: 'all steps done' }]);
    expectBalanced(html.replace('<!doctype html>', ''));
    expect(html).not.toMatch(/<script|https?:|src=|@import|url\(|NaN|undefined|Infinity/);
    expect(html).toContain('Shakespeare &#60;1&#62;');
    expect(html.match(/<svg/g)).toHaveLength(8);
    expect(html).toContain('<th>best held-out loss</th><td>0.4828 at step 200</td>');
    expect(html).toContain('<th>data.sources[0].path</th><td>a&#60;b.txt</td>');
    expect(html).toContain('<th>optimizer.betas</th><td>0.9, 0.99</td>');
    expect(html).toContain('<th>tokens</th><td>153,600</td>');
    expect(html).toContain('&#60;script&#62;alert(200)&#60;/script&#62; &#38; more');
    expect(html.match(/<polyline/g)).toHaveLength(7);
  });

  it('does not grow with the length of the run', () => {
    expect(
      trainingReport(
        'long',
        run(50_000).filter(({ kind }) => kind === 'step'),
      ).length,
    ).toBeLessThan(100_000);
  });

  it('is valid for a run that has just started or diverged', () => {
    for (const lines of [[], run(1), [{ ...run(1)[1], loss: Number.NaN } as LogLine]]) {
      const html = trainingReport('short', lines);
      expectBalanced(html.replace('<!doctype html>', ''));
      expect(html).toContain('running, or interrupted');
    }
  });
});

describe('with distillation', () => {
  it('training and held-out losses have charts of their own, which say what they are', () => {
    const [start, ...rest] = run(100);
    const recipe = { ...(start as { recipe: object }).recipe, distillation: { teachers: [] } };
    const html = trainingReport('student', [{ ...start, recipe } as LogLine, ...rest]);
    expectBalanced(html.replace('<!doctype html>', ''));
    expect(html.match(/<svg/g)).toHaveLength(10);
    for (const title of ['Training loss, with the divergence from the teacher', 'Held-out loss, of the text alone'])
      expect(html).toContain(`aria-label="${title}"`);
  });
});

describe('colours', () => {
  const luminance = (colour: string) => {
    const [red, green, blue] = [1, 3, 5].map((at) => {
      const value = Number.parseInt(colour.slice(at, at + 2), 16) / 255;
      return value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  it('are legible on light and dark pages', () => {
    const colours = [...CHART_STYLE.matchAll(/--curve:(#\w+)/g)].map(([, colour]) => luminance(colour));
    expect(colours).toHaveLength(12);
    for (const colour of colours.slice(0, 6)) expect(1.05 / (colour + 0.05)).toBeGreaterThan(4.5);
    for (const colour of colours.slice(6)) expect((colour + 0.05) / (luminance('#1e1e1e') + 0.05)).toBeGreaterThan(4.5);
  });
});

describe('a chart', () => {
  it('marks values beyond its axis', () => {
    const points = Array.from({ length: 100 }, (_, x) => ({ x, y: x === 50 ? 1000 : 1 + x / 100 }));
    const svg = chart([{ name: 'norm', points }], { title: 'Norm', unit: 'norm', upperQuantile: 0.98 });
    expect(svg.match(/class="cut"/g)).toHaveLength(1);
    expect(svg).toContain('<title>norm, step 50: 1,000 norm</title>');
    const heights = [.../points="([^"]+)"/.exec(svg)![1].matchAll(/,([\d.-]+)/g)].map(([, y]) => Number(y));
    expect(Math.min(...heights)).toBeGreaterThanOrEqual(34);
  });

  it('has round tick values', () => {
    const points = [0, 500, 1000].map((x) => ({ x, y: 1.7 + x / 1000 }));
    const svg = chart([{ name: 'loss', points }], { title: 'Loss', unit: 'nats' });
    for (const mark of ['1.8', '2', '2.2', '2.4', '2.6', '0', '200', '1,000']) expect(svg).toContain(`>${mark}</text>`);
    expect(svg).toContain('<title>loss, step 500: 2.2 nats</title>');
  });

  it('draws equal values as a line in the middle', () => {
    const svg = chart([{ name: 'rate', points: [1, 2].map((x) => ({ x, y: 0.001 })) }], { title: 'Rate', unit: '' });
    const [, first, second] = /points="[\d.]+,([\d.]+) [\d.]+,([\d.]+)"/.exec(svg)!;
    expect([first, second]).toEqual(['130.0', '130.0']);
  });
});
