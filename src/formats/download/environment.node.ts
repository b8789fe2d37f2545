/** Environment variables and small files of the user. */
import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';

/** @returns undefined if the variable is not set or empty, or the runtime denies access */
export function environment(name: string): string | undefined {
  try {
    return process.env[name] || undefined;
  } catch {
    return undefined;
  }
}

/** @returns undefined if the file cannot be read */
export function userFile(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

/** @returns '~' if the runtime denies access */
export function homeFolder(): string {
  try {
    return homedir();
  } catch {
    return '~';
  }
}

/** Browsers follow redirects without showing their headers. */
export const IS_BROWSER: boolean = false;

/** True if a process of this machine has the id. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
