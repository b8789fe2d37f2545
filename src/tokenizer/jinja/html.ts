/** HTML escaping of markupsafe. */
import { checkLength, spendText } from './limits.ts';
import { str } from './repr.ts';
import { Markup, type Value } from './values.ts';

const REPLACEMENTS: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  "'": '&#39;',
  '"': '&#34;',
};

/** Converts a value to text and escapes HTML. Markup is not escaped. */
export function escapeHtml(value: Value): string {
  if (value instanceof Markup) return value.value;
  const text = str(value);
  spendText(text.length);
  const escaped = text.replace(/[&<>'"]/g, (character) => REPLACEMENTS[character]);
  checkLength(escaped.length);
  return escaped;
}

export function escaped(value: Value): Markup {
  return new Markup(escapeHtml(value));
}
