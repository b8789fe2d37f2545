/** Links in text, as Jinja2's urlize() finds them. */
import { escapeHtml } from '../html.ts';
import { spend } from '../limits.ts';
import { lengthOf, substring } from '../text.ts';
import { SPACE } from '../whitespace.ts';

export interface UrlizeOptions {
  /** Maximum characters of a link's text. Default: no limit. */
  readonly limit: number | undefined;
  readonly rel: string;
  readonly target: string | undefined;
  readonly extraSchemes: readonly string[];
}

const URL_TEXT =
  /^(?:(?:https?:\/\/|www\.)(?:(?:[\w%-]+\.)+)?(?:[a-z]{2,63}|xn--[\w%]{2,59})|(?:[\w%-]{2,63}\.)+(?:com|net|int|edu|gov|org|info|mil)|https?:\/\/(?:\d{1,3}(?:\.\d{1,3}){3}|\[(?:[\da-f]{0,4}:){2}(?:[\da-f]{0,4}:?){1,6}\]))(?::\d{1,5})?(?:[/?#]\S*)?$/i;
const EMAIL = /^\S+@\w[\w.-]*\.\w+$/;
const HEAD = /^(?:[(<]|&lt;)+/;
const TAIL = /(?:[)>.,\n]|&gt;)+$/;
/** Longer words are not linked, because the patterns may backtrack over them. */
const MAX_WORD = 512;

/** @param text escaped as HTML */
export function urlize(text: string, options: UrlizeOptions): string {
  return text
    .split(new RegExp(`([${SPACE}]+)`))
    .map((word) => (word.length > MAX_WORD ? word : linked(word, options)))
    .join('');
}

function linked(word: string, { limit, rel, target, extraSchemes }: UrlizeOptions): string {
  spend(1 + word.length);
  const head = HEAD.exec(word)?.[0] ?? '';
  let middle = word.slice(head.length);
  let tail = TAIL.exec(middle)?.[0] ?? '';
  middle = middle.slice(0, middle.length - tail.length);
  for (const [open, close] of [
    ['(', ')'],
    ['<', '>'],
    ['&lt;', '&gt;'],
  ]) {
    const opened = count(middle, open);
    if (opened <= count(middle, close)) continue;
    for (let i = Math.min(opened, count(tail, close)); i > 0; i--) {
      const end = tail.indexOf(close) + close.length;
      middle += tail.slice(0, end);
      tail = tail.slice(end);
    }
  }
  const attributes =
    (rel === '' ? '' : ` rel="${escapeHtml(rel)}"`) +
    (target === undefined || target === '' ? '' : ` target="${escapeHtml(target)}"`);
  const shown =
    limit !== undefined && lengthOf(middle) > limit ? `${substring(middle, 0, Math.max(0, limit))}...` : middle;
  if (URL_TEXT.test(middle)) {
    const url = /^https?:\/\//.test(middle) ? middle : `https://${middle}`;
    middle = `<a href="${url}"${attributes}>${shown}</a>`;
  } else if (middle.startsWith('mailto:') && EMAIL.test(middle.slice(7)))
    middle = `<a href="${middle}">${middle.slice(7)}</a>`;
  else if (middle.includes('@') && !/^(?:www\.|@)/.test(middle) && !middle.includes(':') && EMAIL.test(middle))
    middle = `<a href="mailto:${middle}">${middle}</a>`;
  else {
    for (const scheme of extraSchemes)
      if (middle !== scheme && middle.startsWith(scheme)) middle = `<a href="${middle}"${attributes}>${middle}</a>`;
  }
  return head + middle + tail;
}

function count(text: string, part: string): number {
  return text.split(part).length - 1;
}
