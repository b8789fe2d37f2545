/** Where real models, tokenizers and texts lie beside a checkout that has them; absent on a fresh clone. */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../../shared/data/', import.meta.url));
const told = new Set<string>();

/** The path of a file of the shared data, or undefined (the reason is printed once) where it is not there. */
export function sharedData(path: string): string | undefined {
  const full = root + path;
  if (existsSync(full)) return full;
  if (!told.has(path)) console.log(`skipped: ../shared/data/${path} is not here`);
  told.add(path);
  return undefined;
}
