/** The report of a run: one self-contained HTML page with curves, samples and the recipe. No scripts. */
import { grouped } from '../../core/errors.ts';
import { bestOf } from '../earlyStopping.ts';
import type { LogLine } from '../log/logLine.ts';
import { CHART_STYLE, type Curve, chart } from './chart.ts';
import { escaped } from './html.ts';

type Line<K extends LogLine['kind']> = Extract<LogLine, { kind: K }>;

const STYLE = `:root{color-scheme:light dark}body{font:15px/1.5 system-ui,sans-serif;max-width:46rem;margin:2rem auto;padding:0 1rem}
${CHART_STYLE}
table{border-collapse:collapse;width:100%}td,th{text-align:left;vertical-align:top;padding:.15rem .6rem .15rem 0;border-bottom:1px solid #8884}
td+td,th+th{font-variant-numeric:tabular-nums}blockquote{margin:.5rem 0;padding-left:.8rem;border-left:3px solid #8888;white-space:pre-wrap}`;

/** @param title page title, e.g. the recipe's name @param lines the run's log */
export function trainingReport(title: string, lines: readonly LogLine[]): string {
  const of = <K extends LogLine['kind']>(kind: K) => lines.filter((line): line is Line<K> => line.kind === kind);
  const steps = of('step');
  const evaluations = of('evaluation');
  const [start] = of('start');
  const training: Curve = { name: 'training', points: steps.map(({ step, loss }) => ({ x: step, y: loss })) };
  const curve = (name: string, y: (line: Line<'step'>) => number): Curve[] => [
    { name, points: steps.map((line) => ({ x: line.step, y: y(line) })) },
  ];
  const speed = curve('tokens per second', (line) => line.tokens / line.seconds);
  const sections = [
    summary(start, steps, evaluations, of('end').at(-1)),
    ...lossCharts(training, heldOutCurves(evaluations), isDistillation(start?.recipe)),
    chart(
      curve('learning rate', (line) => line.learningRate),
      { title: 'Learning rate', unit: 'rate' },
    ),
    chart(
      curve('gradient norm', (line) => line.gradientNorm),
      { title: 'Gradient norm before clipping', unit: 'norm', upperQuantile: 0.98 },
    ),
    chart(speed, { title: 'Speed', unit: 'tokens per second' }),
    samples(of('sample')),
    start ? `<h2>Recipe</h2>${table(fields(start.recipe))}` : '',
  ];
  const head = `<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${escaped(title)}</title><style>${STYLE}</style>`;
  return `<!doctype html>\n<html lang="en"><head>${head}</head><body><h1>${escaped(title)}</h1>\n${sections.join('\n')}\n</body></html>\n`;
}

/** With distillation the training loss includes the divergence from the teacher: the two losses do not share an axis. */
function lossCharts(training: Curve, heldOut: readonly Curve[], distillation: boolean): string[] {
  const options = { unit: 'nats per token', upperQuantile: 0.98 };
  if (!distillation) return [chart([training, ...heldOut], { ...options, title: 'Loss' })];
  return [
    chart([training], { ...options, title: 'Training loss, with the divergence from the teacher' }),
    chart(heldOut, { ...options, title: 'Held-out loss, of the text alone' }),
  ];
}

function isDistillation(recipe: unknown): boolean {
  return (recipe as { readonly distillation?: unknown } | undefined)?.distillation !== undefined;
}

/** One curve for the mean of all held-out texts. With several texts, also one for each. */
function heldOutCurves(evaluations: readonly Line<'evaluation'>[]): Curve[] {
  const names = [...new Set(evaluations.flatMap(({ texts }) => texts.map(({ name }) => name)))];
  const points = (loss: (line: Line<'evaluation'>) => number | undefined) =>
    evaluations.map((line) => ({ x: line.step, y: loss(line) ?? Number.NaN }));
  const each = names.map((name) => ({
    name,
    points: points(({ texts }) => texts.find((text) => text.name === name)?.loss),
  }));
  return [{ name: 'held out', points: points(({ loss }) => loss) }, ...(each.length > 1 ? each : [])];
}

function summary(
  start: Line<'start'> | undefined,
  steps: readonly Line<'step'>[],
  evaluations: readonly Line<'evaluation'>[],
  end: Line<'end'> | undefined,
): string {
  const last = steps.at(-1);
  const best = bestOf(evaluations);
  const tokens = steps.reduce((sum, line) => sum + line.tokens, 0);
  const seconds = steps.reduce((sum, line) => sum + line.seconds, 0);
  const rows: [string, string][] = [['state', end ? end.reason : 'running, or interrupted']];
  if (start) rows.push(['parameters trained', grouped(start.parameters)]);
  if (last) {
    rows.push(['steps', grouped(last.step)], ['tokens', grouped(tokens)]);
    rows.push(['time in steps', `${grouped(Math.round(seconds))} s`], ['training loss', last.loss.toFixed(4)]);
  }
  if (best) rows.push(['best held-out loss', `${best.loss.toFixed(4)} at step ${grouped(best.step)}`]);
  return table(rows);
}

/** Samples grouped by prompt, the latest first. */
function samples(lines: readonly Line<'sample'>[]): string {
  if (lines.length === 0) return '';
  const prompts = [...new Set(lines.map(({ prompt }) => prompt))];
  const parts = prompts.map((prompt) => {
    const own = lines.filter((line) => line.prompt === prompt).reverse();
    const quote = ({ step, text }: Line<'sample'>) =>
      `<p>step ${grouped(step)}</p><blockquote><b>${escaped(prompt)}</b>${escaped(text)}</blockquote>`;
    const [latest, ...earlier] = own.map(quote);
    const rest = earlier.length > 0 ? `<details><summary>earlier</summary>${earlier.join('')}</details>` : '';
    return latest + rest;
  });
  return `<h2>Samples</h2>${parts.join('')}`;
}

/** Flattens nested objects to [path, value] pairs. */
function fields(value: unknown, path = ''): [string, string][] {
  if (typeof value !== 'object' || value === null) return [[path, String(value)]];
  if (Array.isArray(value) && value.every((item) => typeof item !== 'object')) return [[path, value.join(', ')]];
  return Object.entries(value).flatMap(([key, inner]) => {
    const name = Array.isArray(value) ? `${path}[${key}]` : path === '' ? key : `${path}.${key}`;
    return fields(inner, name);
  });
}

function table(rows: readonly (readonly [string, string])[]): string {
  const lines = rows.map(([name, value]) => `<tr><th>${escaped(name)}</th><td>${escaped(value)}</td></tr>`);
  return `<table>${lines.join('')}</table>`;
}
