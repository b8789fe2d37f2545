/**
 * Canonical JSON (RFC 8785): equal values have equal bytes, so that they can be hashed and signed. JSON.stringify already prints
 * strings and numbers as the standard requires; only the keys need sorting.
 */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json | undefined };

/** @throws {TypeError} for NaN and infinities, which JSON cannot represent */
export function canonicalJson(value: Json): string {
  if (typeof value === 'number' && !Number.isFinite(value)) throw new TypeError(`${value} has no JSON`);
  if (typeof value !== 'object' || value === null) return JSON.stringify(value);
  // strings are appended to: lists of fields would be several times the text, and manifests are large
  let text = '';
  if (Array.isArray(value)) {
    for (const each of value) text += `${text && ','}${canonicalJson(each)}`;
    return `[${text}]`;
  }
  const fields = value as { readonly [key: string]: Json | undefined };
  const keys = Object.keys(fields);
  // sort compares UTF-16 units, as the standard requires; what was read from canonical JSON is in order
  if (keys.some((key, i) => i > 0 && key < keys[i - 1])) keys.sort();
  for (const key of keys) {
    const field = fields[key];
    if (field !== undefined) text += `${text && ','}${JSON.stringify(key)}:${canonicalJson(field)}`;
  }
  return `{${text}}`;
}
