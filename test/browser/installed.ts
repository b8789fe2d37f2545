/** Checks if a program that tests need is installed. */
import { existsSync } from 'node:fs';

/** CI sets ESPALIER_BROWSER=required, so that no browser test is skipped. */
const required = process.env.ESPALIER_BROWSER === 'required';

/** Returns true if the tests must run. Otherwise prints why they are skipped. @param variable names another path */
export function installed(tests: string, path: string, variable: string): boolean {
  if (existsSync(path) || required) return true;
  console.log(`skipped: ${tests}, as there is no ${path} (${variable} names another one)`);
  return false;
}
