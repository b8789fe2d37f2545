/** Shows a card as one self-contained HTML page without scripts. */
import { grouped } from '../../core/errors.ts';
import { escaped } from '../../train/report/html.ts';
import type { DecodePrediction } from '../decodeCosts.ts';
import { QUANTILES } from '../inputQuantiles.ts';
import type { QuantizedTensor, QuantizeResult } from '../quantize.ts';
import type { Card } from './card.ts';

const STYLE = `:root{color-scheme:light dark}body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}
table{border-collapse:collapse;width:100%}td,th{text-align:left;vertical-align:top;padding:.15rem .6rem .15rem 0;border-bottom:1px solid #8884}
td{font-variant-numeric:tabular-nums;overflow-wrap:anywhere}.wide{overflow-x:auto}small{opacity:.8}`;

export function cardPage(card: Card): string {
  const { model, stages, result, recipe, prompts } = card;
  const title = escaped(model.name);
  const sections = [
    table(summary(card)),
    `<h2>Side by side</h2><p>Continuations by the most likely token each time.</p>`,
    grid(
      ['prompt', 'source', 'model'],
      prompts.map((each) => [each.prompt, each.source, each.source === each.model ? '(the same)' : each.model]),
    ),
    `<h2>Stages</h2>${table(stages.flatMap(({ name, result: found }) => rowsOf(found, `${name}: `)))}`,
    ...(result ? [...tensorSection(result), ...inputSection(result)] : []),
    `<h2>To make it again</h2>${table([
      ...rowsOf(recipe),
      ['source', sourceLine(card.source)],
      ['model', `${model.name}, SHA-256 ${model.sha256}`],
    ])}`,
  ];
  const head = `<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>${title}</title><style>${STYLE}</style>`;
  return `<!doctype html>\n<html lang="en"><head>${head}</head><body><h1>${title}</h1>\n${sections.join('\n')}\n</body></html>\n`;
}

/** A row for each field that is defined. */
function rowsOf(fields: object, prefix = ''): [string, string][] {
  return Object.entries(fields)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => [prefix + name, typeof value === 'string' ? value : JSON.stringify(value)]);
}

/** Inputs of the matrices, as the calibration text showed them. */
function inputSection({ tensors }: QuantizeResult): string[] {
  const inputs = new Map(tensors.flatMap(({ input }) => (input ? [[input.tensors[0], input] as const] : [])));
  if (inputs.size === 0) return [];
  const rows = [...inputs.values()].map(({ tensors: readers, quantiles, outliers }) => [
    readers.join(', '),
    ...quantiles.map((value) => value.toPrecision(3)),
    outliers.map(({ channel, ratio }) => `${channel} (${ratio} ×)`).join(', ') || 'none',
  ]);
  const shares = QUANTILES.map((share) => (share === 1 ? 'maximum' : `${100 * share}%`));
  return [
    '<h2>Inputs</h2><p>Quantiles of the absolute values that matrices were multiplied with in the calibration text, and channels whose root mean square is over six times that of the median channel. Such channels make few bits hard.</p>',
    grid(['read by', ...shares, 'channels that stand out'], rows),
  ];
}

function tensorSection({ tensors }: QuantizeResult): string[] {
  return [
    '<h2>Tensors</h2><p>The error is that of a matrix’s outputs after quantizing, relative to their squares, on calibration data that the solver did not see.</p>',
    grid(
      ['tensor', 'shape', 'was', 'is', 'why', 'bytes', 'method', 'error', 'tried and lost', 'notes'],
      tensors.map(tensorRow),
    ),
  ];
}

const sourceLine = ({ name, sha256, fingerprint }: Card['source']): string =>
  sha256 === undefined ? `${name}, fingerprint ${fingerprint}` : `${name}, SHA-256 ${sha256}`;

/** The limit and the prediction, in one sentence. */
export function limitLine({ device, ms, joules, maxMs, maxJoules }: DecodePrediction): string {
  const limit = maxMs === undefined ? `${maxJoules} J` : `${maxMs} ms`;
  const energy = joules
    ? `, ${joules.value.toPrecision(2)} J (between ${joules.low.toPrecision(2)} and ${joules.high.toPrecision(2)}; ${joules.method}: ${joules.note})`
    : '';
  return `at most ${limit} per token; predicted ${Number(ms.toPrecision(3))} ms${energy} on ${device}`;
}

function summary({ model, source, result, quality }: Card): (readonly [string, string])[] {
  const { kld, top1 = 0, perplexity, perplexityRatio, tokens, decodeTokensPerSecond = 0 } = quality.model;
  const speed = `${decodeTokensPerSecond.toFixed(1)} tokens per second on this device; the source ${(quality.source.decodeTokensPerSecond ?? 0).toFixed(1)}`;
  return [
    ...(result ? ([['type', result.type]] as const) : []),
    [
      'size',
      `${grouped(model.bytes)} bytes of ${grouped(source.bytes)}${result ? `, ${result.bitsPerWeight.toFixed(2)} bits per weight` : ''}`,
    ],
    [
      'KL divergence',
      kld
        ? `${kld.mean.toPrecision(3)} ± ${kld.sigma.toPrecision(2)} nats per token; median ${kld.median.toPrecision(2)}, 99% below ${kld.p99.toPrecision(2)}`
        : '',
    ],
    ['same most likely token', `${(100 * top1).toFixed(1)}%`],
    ['perplexity', `${perplexity.toFixed(3)}, ${perplexityRatio.toFixed(4)} × the source’s`],
    [
      'measured on',
      `${grouped(tokens)} tokens of ${quality.text.name} (SHA-256 ${quality.text.sha256}), weights dequantized to F32`,
    ],
    ['speed', speed],
    ...(result?.decode ? ([['limit', limitLine(result.decode)]] as const) : []),
  ];
}

function tensorRow(tensor: QuantizedTensor): string[] {
  const { name, shape, from, format, reason, bytes, method, errors = {}, notes = [] } = tensor;
  const error = method && errors[method];
  const lost = Object.entries(errors).filter(([other]) => other !== method);
  return [
    name,
    shape.join(' × '),
    from,
    format,
    reason,
    grouped(bytes),
    method ?? '',
    error?.toExponential(2) ?? '',
    lost.map(([other, value]) => `${other} ${value?.toExponential(2)}`).join(', '),
    notes.join('; '),
  ];
}

function table(rows: readonly (readonly [string, string])[]): string {
  return `<table>${rows.map(([name, value]) => `<tr><th>${escaped(name)}</th><td>${escaped(value)}</td></tr>`).join('')}</table>`;
}

function grid(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const cells = (tag: string, row: readonly string[]) =>
    `<tr>${row.map((cell) => `<${tag}>${escaped(cell)}</${tag}>`).join('')}</tr>`;
  return `<div class="wide"><table>${cells('th', head)}${rows.map((row) => cells('td', row)).join('')}</table></div>`;
}
