/** Runs programs: those that print their measurements as a JSON object on the last line, and those that only end. */
import { type ChildProcess, spawn } from 'node:child_process';

/** Timeout of a process. */
const TIMEOUT_MILLISECONDS = 900_000;

/** @throws {Error} with the last line of stderr if it fails */
export async function lastLineOf<T>(command: string, args: readonly string[]): Promise<T> {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], timeout: TIMEOUT_MILLISECONDS });
  let output = '';
  let errors = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (output += text));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text));
  const status = await new Promise<number | string>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => resolve(code ?? signal ?? 'unknown'));
  });
  if (status !== 0) throw new Error(lines(errors).at(-1) ?? `${command} ended with ${status}`);
  const last = lines(output).at(-1);
  if (last === undefined) throw new Error(`${command} printed nothing`);
  return JSON.parse(last) as T;
}

/** Resolves when a program has ended. @throws {Error} with the end of its stderr if it fails */
export function ended(child: ChildProcess): Promise<void> {
  let said = '';
  child.stderr!.setEncoding('utf8').on('data', (text: string) => {
    said = (said + text).slice(-2000);
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject).on('close', (code) => {
      if (code === 0) resolve();
      else reject(new Error(`${child.spawnargs.join(' ')} ended with ${code}:\n${said}`));
    });
  });
}

function lines(text: string): string[] {
  return text.split(/[\r\n]+/).filter((line) => line.trim() !== '');
}
