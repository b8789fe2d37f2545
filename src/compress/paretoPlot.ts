/** A plot of models as self-contained SVG: what each costs by what it loses. Those that no other one beats are joined by a line. */
import { escaped } from '../train/report/html.ts';

export interface PlottedModel {
  readonly cost: number;
  readonly loss: number;
  /** Shown when the pointer rests on it, and beside it if it is `named`. */
  readonly label: string;
  /** True if no other model has both less cost and less loss. */
  readonly isBest: boolean;
  readonly isNamed?: boolean;
}

export interface PlotOptions {
  readonly title: string;
  readonly costLabel: string;
  readonly lossLabel: string;
  readonly formatCost: (cost: number) => string;
  readonly formatLoss: (loss: number) => string;
  /** Losses on a logarithmic scale. They must be above 0. Default: from 0 on. */
  readonly isLogarithmic?: boolean;
}

const [WIDTH, HEIGHT, LEFT, RIGHT, BOTTOM, TOP] = [720, 320, 72, 24, 44, 24] as const;

/** Style sheet of plots. */
export const PLOT_STYLE = `svg{width:100%;height:auto}svg text{font:11px system-ui,sans-serif;fill:currentColor}.grid{stroke:currentColor;stroke-opacity:.15}
.all{fill:currentColor;fill-opacity:.35}.best{fill:#b84500}.front{fill:none;stroke:#b84500;stroke-opacity:.5}`;

/** @param models with finite costs and losses */
export function paretoPlot(models: readonly PlottedModel[], options: PlotOptions): string {
  const { title, costLabel, lossLabel, formatCost, formatLoss, isLogarithmic = false } = options;
  const scale = (loss: number) => (isLogarithmic ? Math.log(loss) : loss);
  const unscale = (height: number) => (isLogarithmic ? Math.exp(height) : height);
  const losses = models.map(({ loss }) => scale(loss));
  const most = Math.max(...losses);
  const least = isLogarithmic ? Math.min(...losses) : 0;
  const margin = isLogarithmic ? 0.05 * (most - least || 1) : 0;
  const [low, high] = [least - margin, Math.max(most + margin, least + 1e-9)];
  const dearest = Math.max(...models.map(({ cost }) => cost)) || 1;
  const x = (cost: number) => LEFT + (cost / dearest) * (WIDTH - LEFT - RIGHT);
  const y = (loss: number) => HEIGHT - BOTTOM - ((scale(loss) - low) / (high - low)) * (HEIGHT - BOTTOM - TOP);
  const grid = [0, 0.25, 0.5, 0.75, 1].map((share) => {
    const loss = unscale(low + share * (high - low));
    const [height, place] = [fixed(y(loss)), fixed(x(share * dearest))];
    return (
      `<path class="grid" d="M${LEFT} ${height}H${WIDTH - RIGHT}"/><text x="${LEFT - 6}" y="${height}" dy="4" text-anchor="end">${escaped(formatLoss(loss))}</text>` +
      `<text x="${place}" y="${HEIGHT - BOTTOM + 16}" text-anchor="middle">${escaped(formatCost(share * dearest))}</text>`
    );
  });
  const front = models.filter(({ isBest }) => isBest).sort((a, b) => a.cost - b.cost);
  const line = front.map(({ cost, loss }) => `${fixed(x(cost))},${fixed(y(loss))}`).join(' ');
  const dots = models.map(({ cost, loss, label, isBest, isNamed }) => {
    const [cx, cy] = [fixed(x(cost)), fixed(y(loss))];
    const hint = `<title>${escaped(label)}: ${escaped(formatCost(cost))}, ${escaped(formatLoss(loss))}</title>`;
    const anchor = cost > 0.7 * dearest ? ['end', -8] : ['start', 8];
    const name = isNamed
      ? `<text x="${cx}" y="${cy}" dx="${anchor[1]}" dy="-6" text-anchor="${anchor[0]}">${escaped(label)}</text>`
      : '';
    return `<circle class="${isBest ? 'best' : 'all'}" cx="${cx}" cy="${cy}" r="${isBest ? 5 : 3}">${hint}</circle>${name}`;
  });
  return (
    `<svg viewBox="0 0 ${WIDTH} ${HEIGHT}" role="img" aria-label="${escaped(title)}">${grid.join('')}<polyline class="front" points="${line}"/>${dots.join('')}` +
    `<text x="${LEFT}" y="12">${escaped(lossLabel)}</text><text x="${WIDTH - RIGHT}" y="${HEIGHT - 8}" text-anchor="end">${escaped(costLabel)}</text></svg>`
  );
}

const fixed = (value: number): string => value.toFixed(1);
