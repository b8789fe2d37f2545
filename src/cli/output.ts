/** Output on stdout, and notes for people on stderr. */
import type { EnergyEstimate } from '../adapt/index.ts';
import type { ProgramDescription } from '../index.ts';

export function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

/** Prints one JSON object on one line, for `--json`. */
export function printJson(value: object): void {
  print(JSON.stringify(value));
}

/** Prints a note on stderr if it is a terminal. */
export function note(text: string): void {
  if (process.stderr.isTTY) process.stderr.write(`${text}\n`);
}

/** Formats a size: 1234567 → "1.2 MB". */
export function bytesForPeople(bytes: number): string {
  const units = ['B', 'kB', 'MB', 'GB', 'TB'];
  const power = Math.min(units.length - 1, Math.max(0, Math.floor(Math.log10(Math.max(bytes, 1)) / 3)));
  const value = bytes / 1000 ** power;
  return `${value.toFixed(power === 0 || value >= 100 ? 0 : 1)} ${units[power]}`;
}

/** Formats a backend: 'wasm, variant relaxed-i16, threads 2, decodeThreads 1', followed by its limits in parentheses. */
export function describeBackend({ backend, settings, limits }: ProgramDescription): string {
  const parts = [backend, ...Object.entries(settings).map(([name, value]) => `${name} ${value}`)];
  return parts.join(', ') + limits.map((limit) => ` (${limit})`).join('');
}

/** Formats an energy or a power with its bounds: '0.12 J per token, between 0.03 and 0.6'. */
export function boundsText({ value, low, high }: EnergyEstimate, unit: string): string {
  const [middle, least, most] = [value, low, high].map((each) => each.toPrecision(2));
  return `${middle} ${unit}, between ${least} and ${most}`;
}

/** Prints a table of names and values. */
export function printFields(fields: Readonly<Record<string, unknown>>): void {
  const width = Math.max(...Object.keys(fields).map((name) => name.length));
  for (const [name, value] of Object.entries(fields)) if (value !== undefined) print(`${name.padEnd(width)}  ${value}`);
}

/** Prints a table with a header. Columns of numbers are aligned to the right. */
export function printTable(head: readonly string[], rows: readonly (readonly string[])[]): void {
  const widths = head.map((title, column) => Math.max(title.length, ...rows.map((row) => row[column].length)));
  const numeric = head.map((_, column) => rows.some((row) => /^\d/.test(row[column])));
  const line = (cells: readonly string[]): string =>
    cells
      .map((cell, column) => (numeric[column] ? cell.padStart(widths[column]) : cell.padEnd(widths[column])))
      .join('  ')
      .trimEnd();
  for (const cells of [head, ...rows]) print(line(cells));
}
