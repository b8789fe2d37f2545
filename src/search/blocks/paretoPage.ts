/** The report of a search as one HTML file: candidates by time and divergence, and the versions that were found. */
import { PLOT_STYLE, paretoPlot } from '../../compress/paretoPlot.ts';
import { escaped } from '../../train/report/html.ts';
import type { SearchedModel, SearchResult } from './searchBlocks.ts';
import { DROPPED, SOURCE } from './variant.ts';

const STYLE = `body{font:16px/1.5 system-ui,sans-serif;max-width:52rem;margin:2rem auto;padding:0 1rem;color-scheme:light dark}
${PLOT_STYLE}table{border-collapse:collapse;font-size:.85rem}
td,th{border:1px solid #8886;padding:.2rem .5rem;text-align:right}td.dropped{opacity:.4}`;

/** @param name of the model @param device where the times were measured */
export function paretoPage(name: string, device: string, { whole, found, candidates }: SearchResult): string {
  const rows = [{ ...whole, budget: 1 }, ...found].map(
    (model) =>
      `<tr><td>${percent(model.budget)}</td><td>${(1000 * model.seconds).toFixed(3)}</td><td>${(whole.seconds / model.seconds).toFixed(2)} ×</td><td>${(model.bytes / 1e6).toFixed(2)}</td><td>${model.kld.toFixed(4)}</td><td>${percent(model.nll / whole.nll - 1)}</td>${model.levels.map(cell).join('')}</tr>`,
  );
  const blocks = whole.levels.map((_, block) => `<th>${block}</th>`).join('');
  return `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Search: ${escaped(name)}</title><style>${STYLE}</style>
<h1>${escaped(name)}</h1><p>Times of a token are predicted by the meter of ${escaped(device)}; divergences are measured. ${candidates.length} candidates were judged on the whole text.</p>
${plot(found, candidates)}
<table><tr><th>budget</th><th>ms</th><th>faster</th><th>MB</th><th>KL, nats</th><th>loss</th>${blocks}</tr>${rows.join('')}</table></html>`;
}

function plot(found: SearchResult['found'], candidates: readonly SearchedModel[]): string {
  const best = new Set(found.map(({ levels }) => levels.join()));
  const models = candidates
    .filter(({ kld }) => Number.isFinite(kld))
    .map(({ seconds, kld, levels }) => ({
      ...{ cost: 1000 * seconds, loss: kld, label: levels.join(', ') },
      isBest: best.has(levels.join()),
    }));
  return paretoPlot(models, {
    title: 'KL divergence by time of a token',
    costLabel: 'predicted milliseconds of a token',
    lossLabel: 'KL divergence from the whole model, nats per token',
    formatCost: (milliseconds) => milliseconds.toFixed(2),
    formatLoss: (loss) => loss.toFixed(3),
  });
}

function cell(level: string): string {
  if (level === DROPPED) return '<td class="dropped">–</td>';
  return `<td>${level === SOURCE ? '●' : escaped(level)}</td>`;
}

const percent = (share: number) => `${(100 * share).toFixed(1)}%`;
