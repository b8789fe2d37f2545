/** The report of a search as one HTML file: candidates by what was limited and divergence, and the versions that were found. */
import { PLOT_STYLE, paretoPlot } from '../../compress/paretoPlot.ts';
import { escaped } from '../../train/report/html.ts';
import type { SearchedModel, SearchLimit, SearchResult } from './searchBlocks.ts';
import { DROPPED, SOURCE } from './variant.ts';

const STYLE = `body{font:16px/1.5 system-ui,sans-serif;max-width:52rem;margin:2rem auto;padding:0 1rem;color-scheme:light dark}
${PLOT_STYLE}table{border-collapse:collapse;font-size:.85rem}
td,th{border:1px solid #8886;padding:.2rem .5rem;text-align:right}td.dropped{opacity:.4}`;

/** @param name of the model @param device where the times were measured */
export function paretoPage(name: string, device: string, { whole, found, candidates, limit }: SearchResult): string {
  const rows = [{ ...whole, budget: 1 }, ...found].map(
    (model) =>
      `<tr><td>${percent(model.budget)}</td><td>${(1000 * model.seconds).toFixed(3)}</td><td>${(whole.seconds / model.seconds).toFixed(2)} ×</td><td>${(model.bytes / 1e6).toFixed(2)}</td><td>${energyCell(model)}</td><td>${model.kld.toFixed(4)}</td><td>${percent(model.nll / whole.nll - 1)}</td>${model.levels.map(cell).join('')}</tr>`,
  );
  const blocks = whole.levels.map((_, block) => `<th>${block}</th>`).join('');
  return `<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Search: ${escaped(name)}</title><style>${STYLE}</style>
<h1>${escaped(name)}</h1><p>Times of a token are predicted by the meter of ${escaped(device)}; divergences are measured. Energies of a token: ${escaped(`${whole.joules.method}, ${whole.joules.note}`)}. Budgets are shares of ${axes[limit].name}. ${candidates.length} candidates were judged on the whole text.</p>
${plot(found, candidates, limit)}
<table><tr><th>budget</th><th>ms</th><th>faster</th><th>MB</th><th>mJ (low – high)</th><th>KL, nats</th><th>loss</th>${blocks}</tr>${rows.join('')}</table></html>`;
}

/** The cost that a search limits, for the plot. */
const axes: Readonly<Record<SearchLimit, { name: string; label: string; costOf(model: SearchedModel): number }>> = {
  seconds: {
    name: 'the time of a token',
    label: 'predicted milliseconds of a token',
    costOf: ({ seconds }) => 1000 * seconds,
  },
  bytes: { name: 'the size', label: 'megabytes of the tensors', costOf: ({ bytes }) => bytes / 1e6 },
  joules: {
    name: 'the energy of a token',
    label: 'modelled millijoules of a token',
    costOf: ({ joules }) => 1000 * joules.value,
  },
};

const energyCell = ({ joules }: SearchedModel): string => {
  const [value, low, high] = [joules.value, joules.low, joules.high].map((each) => (1000 * each).toPrecision(2));
  return `${value} (${low} – ${high})`;
};

function plot(found: SearchResult['found'], candidates: readonly SearchedModel[], limit: SearchLimit): string {
  const { name, label, costOf } = axes[limit];
  const best = new Set(found.map(({ levels }) => levels.join()));
  const models = candidates
    .filter(({ kld }) => Number.isFinite(kld))
    .map((model) => ({
      ...{ cost: costOf(model), loss: model.kld, label: model.levels.join(', ') },
      isBest: best.has(model.levels.join()),
    }));
  return paretoPlot(models, {
    title: `KL divergence by ${name}`,
    costLabel: label,
    lossLabel: 'KL divergence from the whole model, nats per token',
    formatCost: (cost) => cost.toPrecision(3),
    formatLoss: (loss) => loss.toFixed(3),
  });
}

function cell(level: string): string {
  if (level === DROPPED) return '<td class="dropped">–</td>';
  return `<td>${level === SOURCE ? '●' : escaped(level)}</td>`;
}

const percent = (share: number) => `${(100 * share).toFixed(1)}%`;
