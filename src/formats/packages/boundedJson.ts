/**
 * JSON from strangers, read with bounded memory. An empty object takes 3 bytes of text and 56 of memory, and a list of a million wrong entries would make zod
 * report a million problems.
 */
import { z } from 'zod';

/** `{` and `[` */
const [OBJECT, LIST] = [0x7b, 0x5b];

/** @param most maximum number of objects and lists @throws {TypeError} for other bytes than UTF-8; {SyntaxError} */
export function parseBoundedJson(bytes: Uint8Array, most: number): unknown {
  let count = 0;
  for (const byte of bytes) if (byte === OBJECT || byte === LIST) count++;
  if (count > most) throw new SyntaxError(`it has ${count} objects and lists, expected at most ${most}`);
  return JSON.parse(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes));
}

/** A list whose entries are validated elsewhere, one by one: see `firstProblem`. */
export function listOf(least: number, most: number) {
  return z.custom<readonly unknown[]>(
    (value) => Array.isArray(value) && value.length >= least && value.length <= most,
    `expected a list of ${least} to ${most} entries`,
  );
}

/** A list that is refused by its length before its entries are looked at. */
export function shortList<T extends z.ZodType>(entry: T, most: number): z.ZodType<z.infer<T>[]> {
  return listOf(0, most).pipe(z.array(entry).max(most) as unknown as z.ZodType<z.infer<T>[], readonly unknown[]>);
}

/** @param path of the value, for `field` @returns undefined if the value is valid */
export function firstProblem(
  schema: z.ZodType,
  value: unknown,
  path: readonly PropertyKey[] = [],
): { readonly field: string; readonly message: string } | undefined {
  const { error } = schema.safeParse(value);
  if (!error) return undefined;
  const [issue] = error.issues as [z.core.$ZodIssue];
  return { field: [...path, ...issue.path].join('.'), message: issue.message };
}
