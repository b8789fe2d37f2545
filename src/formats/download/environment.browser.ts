/** Environment in a page: no environment variables, no user files. */
export function environment(_name: string): string | undefined {
  return undefined;
}

export function userFile(_path: string): string | undefined {
  return undefined;
}

export function homeFolder(): string {
  return '~';
}

/** Browsers follow redirects without showing their headers. */
export const IS_BROWSER: boolean = true;

/** Pages see no processes. */
export function isAlive(_pid: number): boolean {
  return false;
}
