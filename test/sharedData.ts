/** Folder of real models, tokenizers and texts beside the repository. A fresh clone does not have it. */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../shared/data/', import.meta.url));
const reported = new Set<string>();

/** Returns the path of a file in the shared data. If it is missing, returns undefined and prints the reason once. */
export function sharedData(path: string): string | undefined {
  const full = root + path;
  if (existsSync(full)) return full;
  if (!reported.has(path)) console.log(`skipped: ../shared/data/${path} is not here`);
  reported.add(path);
  return undefined;
}
