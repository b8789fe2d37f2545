/** Runs programs that print their measurements as a JSON object on the last line. */
import { spawn } from 'node:child_process';

/** Timeout of a process. */
const TIMEOUT_MILLISECONDS = 900_000;

/** @throws {Error} with the last line of stderr if it fails */
export async function lastLineOf<T>(command: string, args: readonly string[]): Promise<T> {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], timeout: TIMEOUT_MILLISECONDS });
  let output = '';
  let errors = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text));
  const ended = await new Promise<number | string>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => resolve(code ?? signal ?? 'unknown'));
  });
  if (ended !== 0) throw new Error(lines(errors).at(-1) ?? `${command} ended with ${ended}`);
  const last = lines(output).at(-1);
  if (last === undefined) throw new Error(`${command} printed nothing`);
  return JSON.parse(last) as T;
}

function lines(text: string): string[] {
  return text.split(/[\r\n]+/).filter((line) => line.trim() !== '');
}
