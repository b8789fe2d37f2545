/** Texts on which tokenizers often differ: scripts, digits, contractions, runs of spaces, marks. Generated from a seed. */
import { seededRandom } from '../../src/core/random.ts';

const parts = [
  ...[' ', '  ', '   ', '\n', '\n\n', '\r\n', '\t', '\u00a0', '\u3000', '\u0085', '\ufeff', '\u200b', '\u0000'],
  ...[
    "'s",
    "'LL",
    "'t",
    "'re",
    'the',
    ' and',
    'Hello',
    ' WORLD',
    'camelCase',
    'wörld',
    'ÀÉ',
    'ﬁ',
    'Ǆ',
    'ſ',
    'a\u0308',
    '\u0301',
  ],
  ...[
    '7',
    '42',
    '123',
    '4567890',
    '3.14',
    '½',
    '²',
    '١٢٣',
    '．',
    '。',
    '，',
    '!!!',
    '...',
    '==>',
    '`code`',
    '_',
    '$x^2',
    '"',
    '</tag>',
  ],
  ...[
    '{"k": 1}',
    'http://a.b/c?d=e',
    '中文字符',
    '日本語カナ',
    '한국어',
    'हिन्दी',
    'العربية',
    'ไทย',
    'Ελληνικά',
    'Русский',
    '𝔘𝔫𝔦',
  ],
  ...[
    '😀',
    '👨‍👩‍👧',
    '▁',
    'Ġ',
    '<|end|>',
    '<|user|>',
    '</s>',
    '<s>',
    '<unk>',
    '<|endoftext|>',
    '<|im_end|>',
    '<0x41>',
    'stop',
    '.\n',
    ' ?',
  ],
];

export function hardTexts(count: number, seed: number): string[] {
  const random = seededRandom(seed);
  return Array.from({ length: count }, () =>
    Array.from({ length: 1 + random.integer(10) }, () =>
      random.uniform() < 0.1 ? anyCharacter(random.integer(0x2fa1f)) : parts[random.integer(parts.length)],
    ).join(''),
  );
}

function anyCharacter(codePoint: number): string {
  return String.fromCodePoint(codePoint >= 0xd800 && codePoint < 0xe000 ? 0xfffd : codePoint);
}
