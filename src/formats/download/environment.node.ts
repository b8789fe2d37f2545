/** Environment variables and small files of the user. */
import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';

/** @returns undefined for an empty variable too, and where the runtime does not permit asking */
export function environment(name: string): string | undefined {
  try {
    return process.env[name] || undefined;
  } catch {
    return undefined;
  }
}

/** @returns undefined where the file cannot be read */
export function userFile(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

/** @returns '~' where the runtime does not permit asking */
export function homeFolder(): string {
  try {
    return homedir();
  } catch {
    return '~';
  }
}

/** Browsers follow redirects without showing their headers. */
export const IS_BROWSER: boolean = false;
