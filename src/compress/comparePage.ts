/** The result of `compare` as one HTML file: a table, and plots of divergence by bytes and by the time of a token. */

import { checkpointFolder } from '#leaf/train/checkpoint/folder';
import { escaped } from '../train/report/html.ts';
import type { Comparison } from './compare.ts';
import { PLOT_STYLE, paretoPlot } from './paretoPlot.ts';
import { splitPath } from './writeFile.ts';

const STYLE = `body{font:16px/1.5 system-ui,sans-serif;max-width:52rem;margin:2rem auto;padding:0 1rem;color-scheme:light dark}
table{border-collapse:collapse;font-size:.85rem}td,th{border:1px solid #8886;padding:.2rem .5rem;text-align:right}td:first-child{text-align:left}
${PLOT_STYLE}`;

/** Losses below this are shown as this: a logarithmic scale has no 0. */
const LEAST = 1e-9;

/** Writes the page. @param text name of the text @throws {SourceError} */
export async function writeComparePage(rows: readonly Comparison[], text: string, path: string): Promise<void> {
  const [folder, file] = splitPath(path);
  const page = new TextEncoder().encode(comparePage(rows, text));
  await checkpointFolder(folder).replace(file, (sink) => sink.write(page));
}

/** @param rows of `compare`, the reference first @param text name of the text */
export function comparePage(rows: readonly Comparison[], text: string): string {
  const [reference, ...models] = rows;
  const title = `Compared with ${reference.model}`;
  const plots = [
    plot(models, 'divergence by bytes', 'megabytes', ({ bytes }) => bytes / 1e6),
    plot(
      models,
      'divergence by time',
      'milliseconds per token',
      ({ decodeTokensPerSecond: rate }) => rate && 1e3 / rate,
    ),
  ];
  const cells = rows.map(
    ({ model, bytes, kld, top1, perplexityRatio, decodeTokensPerSecond: rate }) =>
      `<tr><td>${escaped(model)}</td><td>${(bytes / 1e6).toFixed(2)}</td><td>${kld ? `${kld.mean.toExponential(3)} ± ${kld.sigma.toExponential(1)}` : ''}</td><td>${kld ? kld.p99.toExponential(2) : ''}</td><td>${top1 === undefined ? '' : `${(100 * top1).toFixed(2)}%`}</td><td>${perplexityRatio.toFixed(4)}</td><td>${rate === undefined ? '' : rate.toFixed(1)}</td></tr>`,
  );
  return `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${escaped(title)}</title><style>${STYLE}</style>
<h1>${escaped(title)}</h1><p>KL divergence per token in nats over ${reference.tokens} tokens of ${escaped(text)}. Models that no other one beats are joined by a line.</p>
${plots.join('\n')}
<table><tr><th>model</th><th>MB</th><th>KL divergence</th><th>99%</th><th>same top token</th><th>perplexity ×</th><th>tokens/s</th></tr>${cells.join('')}</table></html>
`;
}

/** Empty if the cost was not measured. */
function plot(
  models: readonly Comparison[],
  title: string,
  costLabel: string,
  costOf: (model: Comparison) => number | undefined,
): string {
  const measured = models.flatMap((model) => {
    const cost = costOf(model);
    return cost === undefined ? [] : [{ cost, loss: Math.max(LEAST, model.kld!.mean), label: model.model }];
  });
  if (measured.length === 0) return '';
  const isBest = (one: { cost: number; loss: number }) =>
    !measured.some((other) => other !== one && other.cost <= one.cost && other.loss <= one.loss);
  const plotted = measured.map((model) => ({ ...model, isBest: isBest(model), isNamed: true }));
  const options = { title, costLabel, lossLabel: 'KL divergence, nats per token', isLogarithmic: true };
  return paretoPlot(plotted, {
    ...options,
    formatCost: (cost) => cost.toPrecision(3),
    formatLoss: (loss) => loss.toExponential(1),
  });
}
