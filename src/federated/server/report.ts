/** The HTML report of a federation: one row per round. No scripts, no requests. */
import type { ReportLine } from './reportLine.ts';

export function federationReport(name: string, lines: readonly ReportLine[]): string {
  const closed = lines.filter(({ outcome }) => outcome === 'closed');
  const evaluations = closed.filter(({ loss }) => loss !== undefined);
  const total = (key: 'bytesReceived' | 'bytesSent') =>
    lines.reduce((sum, line) => sum + line[key], 0).toLocaleString('en-US');
  const last = lines.at(-1);
  const facts = [
    ['Rounds closed', String(closed.length)],
    ['Rounds aborted', String(lines.length - closed.length)],
    ['Bytes received', total('bytesReceived')],
    ['Bytes sent', total('bytesSent')],
    ...(evaluations.length > 0 ? [['Loss of held-out devices', evaluations.at(-1)!.loss!.toFixed(4)]] : []),
    ...(last?.epsilon !== undefined ? [['Training loss', 'not reported: ε would not cover it']] : []),
    // an ε is shown only if an accountant computed it
    ...(last?.epsilon !== undefined ? [['Privacy spent', `ε = ${last.epsilon.toFixed(3)} at δ = ${last.delta}`]] : []),
  ];
  const hasStaleness = lines.some(({ staleness }) => staleness);
  const rows = lines.map((line) => rowOf(line, hasStaleness)).join('\n');
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${escapeHtml(name)}: federation</title>
<style>
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 64rem; padding: 0 1rem; color: #222; background: #fff }
table { border-collapse: collapse; width: 100% } th, td { padding: .3rem .6rem; text-align: right; border-bottom: 1px solid #ddd }
th:first-child, td:first-child, td.reason { text-align: left } tr.aborted td { color: #a33 } dt { float: left; width: 12rem; color: #666 }
@media (prefers-color-scheme: dark) { body { color: #ddd; background: #181818 } th, td { border-color: #444 } }
</style>
<h1>${escapeHtml(name)}</h1>
<dl>${facts.map(([what, value]) => `<dt>${what}</dt><dd>${escapeHtml(value)}</dd>`).join('')}</dl>
<table>
<thead><tr><th>Round</th><th>Joined</th><th>Counted</th><th>Dropped</th>${hasStaleness ? '<th>Staleness</th>' : ''}<th>Examples</th><th>Norm</th><th>Training loss</th><th>Loss</th><th>Bytes received</th><th>Bytes sent</th><th>Refused</th><th>ε</th><th>Server ms</th></tr></thead>
<tbody>
${rows}
</tbody>
</table>
</html>
`;
}

/** @param hasStaleness whether the table has that column */
function rowOf(line: ReportLine, hasStaleness: boolean): string {
  const start = [line.round, String(line.joined), String(line.contributors), countsOf(line.dropouts)];
  const bytes = [line.bytesReceived.toLocaleString('en-US'), line.bytesSent.toLocaleString('en-US')];
  const end = [...bytes, countsOf(line.refused), line.epsilon?.toFixed(3) ?? '', line.serverMilliseconds.toFixed(0)];
  const cellsOf = (texts: readonly string[]) => texts.map((text) => `<td>${escapeHtml(text)}</td>`).join('');
  if (line.outcome === 'aborted')
    return `<tr class="aborted">${cellsOf(start)}<td class="reason" colspan="${hasStaleness ? 5 : 4}">${escapeHtml(line.reason ?? '')}</td>${cellsOf(end)}</tr>`;
  const { staleness } = line;
  const middle = [
    ...(hasStaleness ? [staleness ? `${staleness.mean.toFixed(1)}, at most ${staleness.maximum}` : ''] : []),
    line.examples?.toLocaleString('en-US') ?? '',
    line.updateNorm?.toPrecision(4) ?? '',
    line.trainingLoss?.toFixed(4) ?? '',
    line.loss?.toFixed(4) ?? '',
  ];
  return `<tr>${cellsOf([...start, ...middle, ...end])}</tr>`;
}

/** Returns e.g. '2 update, 1 withdrawn'. */
function countsOf(counts: object): string {
  return Object.entries(counts)
    .filter(([, count]) => count > 0)
    .map(([name, count]) => `${count} ${name}`)
    .join(', ');
}

function escapeHtml(text: string): string {
  return text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);
}
