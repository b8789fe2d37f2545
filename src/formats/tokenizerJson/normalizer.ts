/** The `normalizer` of a tokenizer.json. */
import { literalPattern } from '../../tokenizer/pattern/parse.ts';
import type { NormalizerStep } from '../../tokenizer/spec.ts';
import type { JsonValue } from '../jsonValue.ts';
import { rubyLineEnds } from './pattern.ts';

const supported = [
  ...['Sequence', 'NFC', 'NFD', 'NFKC', 'NFKD', 'Prepend', 'Replace', 'Lowercase', 'Strip', 'StripAccents', 'Nmt'],
  ...['BertNormalizer', 'Precompiled', 'ByteLevel'],
];

/** @throws {FormatError}; {UnsupportedError} for an unknown type */
export function readNormalizer(normalizer: JsonValue): NormalizerStep[] {
  if (normalizer.isAbsent()) return [];
  const type = normalizer.get('type').string();
  switch (type) {
    case 'Sequence':
      return normalizer.get('normalizers').list().flatMap(readNormalizer);
    case 'NFC':
    case 'NFD':
    case 'NFKC':
    case 'NFKD':
      return [{ type: 'form', form: type }];
    case 'Prepend':
      return [{ type: 'prepend', text: normalizer.get('prepend').string() }];
    case 'Replace':
      return [
        {
          type: 'replace',
          pattern: readPattern(normalizer.get('pattern')),
          content: normalizer.get('content').string(),
        },
      ];
    case 'Lowercase':
      return [{ type: 'lowercase' }];
    case 'Strip':
      return [
        {
          type: 'strip',
          left: normalizer.get('strip_left').boolean(true),
          right: normalizer.get('strip_right').boolean(true),
        },
      ];
    case 'StripAccents':
      return [{ type: 'stripAccents' }];
    case 'Nmt':
      return [{ type: 'nmt' }];
    case 'ByteLevel':
      return [{ type: 'bytes' }];
    case 'BertNormalizer': {
      const lowercase = normalizer.get('lowercase').boolean(true);
      return [
        {
          type: 'bert',
          cleanText: normalizer.get('clean_text').boolean(true),
          chineseCharacters: normalizer.get('handle_chinese_chars').boolean(true),
          stripAccents: normalizer.get('strip_accents').boolean(lowercase),
          lowercase,
        },
      ];
    }
    case 'Precompiled':
      return [{ type: 'characterMap', map: bytesOfBase64(normalizer.get('precompiled_charsmap')) }];
    default:
      throw normalizer.unsupported(type, supported);
  }
}

/** `{ "String": … }` or `{ "Regex": … }` in the dialect of our patterns. */
export function readPattern(pattern: JsonValue): string {
  const literal = pattern.get('String');
  return literal.isAbsent() ? rubyLineEnds(pattern.get('Regex').string()) : literalPattern(literal.string());
}

function bytesOfBase64(field: JsonValue): Uint8Array {
  try {
    return Uint8Array.from(atob(field.string('')), (character) => character.charCodeAt(0));
  } catch {
    throw field.wrong('base64');
  }
}
