/** The report of a search as one HTML file: candidates by time and divergence, and the versions that were found. */
import { escaped } from '../../train/report/html.ts';
import type { SearchedModel, SearchResult } from './searchBlocks.ts';
import { DROPPED, SOURCE } from './variant.ts';

const [WIDTH, HEIGHT, LEFT, BOTTOM, TOP] = [720, 320, 64, 44, 20] as const;
const STYLE = `body{font:16px/1.5 system-ui,sans-serif;max-width:52rem;margin:2rem auto;padding:0 1rem;color-scheme:light dark}
svg{width:100%;height:auto}svg text{font-size:11px;fill:currentColor}.grid{stroke:currentColor;stroke-opacity:.15}
.all{fill:currentColor;fill-opacity:.3}.best{fill:#b84500}table{border-collapse:collapse;font-size:.85rem}
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
${plot(whole, found, candidates)}
<table><tr><th>budget</th><th>ms</th><th>faster</th><th>MB</th><th>KL, nats</th><th>loss</th>${blocks}</tr>${rows.join('')}</table></html>`;
}

function plot(whole: SearchedModel, found: readonly SearchedModel[], candidates: readonly SearchedModel[]): string {
  const shown = candidates.filter(({ kld }) => Number.isFinite(kld));
  const most = Math.max(1e-6, ...shown.map(({ kld }) => kld));
  const slowest = Math.max(whole.seconds, ...shown.map(({ seconds }) => seconds));
  const x = (seconds: number) => LEFT + (seconds / slowest) * (WIDTH - LEFT - 16);
  const y = (kld: number) => HEIGHT - BOTTOM - (kld / most) * (HEIGHT - BOTTOM - TOP);
  const dot = ({ seconds, kld, levels }: SearchedModel, kind: string, radius: number) =>
    `<circle class="${kind}" cx="${x(seconds).toFixed(1)}" cy="${y(kld).toFixed(1)}" r="${radius}"><title>${escaped(levels.join(', '))}: ${(1000 * seconds).toFixed(3)} ms, ${kld.toFixed(4)} nats</title></circle>`;
  const ticks = [0, 0.25, 0.5, 0.75, 1];
  const grid = ticks.map(
    (share) =>
      `<path class="grid" d="M${LEFT} ${y(share * most).toFixed(1)}H${WIDTH - 16}"/><text x="${LEFT - 6}" y="${(y(share * most) + 4).toFixed(1)}" text-anchor="end">${(share * most).toFixed(3)}</text><text x="${x(share * slowest).toFixed(1)}" y="${HEIGHT - BOTTOM + 16}" text-anchor="middle">${(1000 * share * slowest).toFixed(2)}</text>`,
  );
  return `<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="KL divergence by time of a token">${grid.join('')}${shown.map((model) => dot(model, 'all', 3)).join('')}${found.map((model) => dot(model, 'best', 5)).join('')}<text x="${LEFT}" y="12">KL divergence from the whole model, nats per token</text><text x="${WIDTH - 16}" y="${HEIGHT - 8}" text-anchor="end">predicted milliseconds of a token</text></svg>`;
}

function cell(level: string): string {
  if (level === DROPPED) return '<td class="dropped">–</td>';
  return `<td>${level === SOURCE ? '●' : escaped(level)}</td>`;
}

const percent = (share: number) => `${(100 * share).toFixed(1)}%`;
