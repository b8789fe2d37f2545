/** The `pre_tokenizer` of a tokenizer.json. */
import { namedPreTokenizer } from '../../tokenizer/preTokenizer.ts';
import type { PreTokenizerStep, SplitBehavior } from '../../tokenizer/spec.ts';
import type { JsonValue } from '../jsonValue.ts';
import { readPattern } from './normalizer.ts';

const supported = [
  ...['Sequence', 'ByteLevel', 'Metaspace', 'Split', 'Digits', 'Punctuation', 'Whitespace', 'WhitespaceSplit'],
  ...['BertPreTokenizer', 'CharDelimiterSplit', 'FixedLength'],
];

/** @param spacePrefix what tokenizer_config.json says of ByteLevel's `add_prefix_space`, where it does */
export function readPreTokenizer(preTokenizer: JsonValue, spacePrefix?: boolean): PreTokenizerStep[] {
  if (preTokenizer.isAbsent()) return [];
  const type = preTokenizer.get('type').string();
  switch (type) {
    case 'Sequence':
      return preTokenizer
        .get('pretokenizers')
        .list()
        .flatMap((part) => readPreTokenizer(part, spacePrefix));
    case 'ByteLevel': {
      const prefixed = spacePrefix ?? preTokenizer.get('add_prefix_space').boolean(true);
      const splits = preTokenizer.get('use_regex').boolean(true);
      return [
        ...(prefixed ? [{ spacePrefix: true } as const] : []),
        ...(splits ? namedPreTokenizer('gpt-2').patterns.map((pattern) => ({ pattern })) : []),
        'bytes',
      ];
    }
    case 'Metaspace': {
      const always = preTokenizer.get('add_prefix_space').boolean(true) ? 'always' : 'never';
      return [
        {
          metaspace: preTokenizer.get('replacement').character('▁'),
          prepend: preTokenizer.get('prepend_scheme').oneOf(['always', 'first', 'never'] as const, always),
          split: preTokenizer.get('split').boolean(true),
        },
      ];
    }
    case 'Split':
      return [
        {
          pattern: readPattern(preTokenizer.get('pattern')),
          behavior: readBehavior(preTokenizer.get('behavior')),
          invert: preTokenizer.get('invert').boolean(false),
        },
      ];
    case 'Digits':
      return [
        {
          characters: 'numbers',
          behavior: preTokenizer.get('individual_digits').boolean(false) ? 'isolated' : 'contiguous',
        },
      ];
    case 'Punctuation':
      return [{ characters: 'punctuation', behavior: readBehavior(preTokenizer.get('behavior')) }];
    case 'Whitespace':
      return [{ pattern: '\\p{Word}+|[^\\p{Word}\\s]+', behavior: 'removed', invert: true }];
    case 'WhitespaceSplit':
      return [{ characters: 'whiteSpace', behavior: 'removed' }];
    case 'BertPreTokenizer':
      return [
        { characters: 'whiteSpace', behavior: 'removed' },
        { characters: 'punctuation', behavior: 'isolated' },
      ];
    case 'CharDelimiterSplit':
      return [{ pattern: readDelimiter(preTokenizer.get('delimiter')), behavior: 'removed' }];
    case 'FixedLength': {
      const length = preTokenizer.get('length');
      return [{ length: length.isAbsent() ? 5 : Math.max(1, length.integer(1 << 30)) }];
    }
    default:
      throw preTokenizer.unsupported(type, supported);
  }
}

function readDelimiter(delimiter: JsonValue): string {
  const text = delimiter.string();
  if (Array.from(text).length !== 1) throw delimiter.wrong('one character');
  return text.replace(/[\\^$.*+?()[\]{}|&-]/g, '\\$&');
}

const behaviors = {
  Removed: 'removed',
  Isolated: 'isolated',
  MergedWithPrevious: 'merged-with-previous',
  MergedWithNext: 'merged-with-next',
  Contiguous: 'contiguous',
} as const;

function readBehavior(behavior: JsonValue): SplitBehavior {
  return behaviors[behavior.oneOf(Object.keys(behaviors) as (keyof typeof behaviors)[], 'Isolated')];
}
