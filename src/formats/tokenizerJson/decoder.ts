/** The `decoder` of a tokenizer.json. */
import type { DecoderStep } from '../../tokenizer/spec.ts';
import type { JsonValue } from '../jsonValue.ts';
import { readPattern } from './normalizer.ts';

const supported = [
  ...[
    'Sequence',
    'ByteLevel',
    'Replace',
    'ByteFallback',
    'Fuse',
    'Strip',
    'Metaspace',
    'WordPiece',
    'BPEDecoder',
    'CTC',
  ],
];

/** Without a decoder, tokens are shown with a space between. */
export function readDecoder(decoder: JsonValue): DecoderStep[] {
  return decoder.isAbsent() ? [{ type: 'spaces' }] : readSteps(decoder);
}

function readSteps(decoder: JsonValue): DecoderStep[] {
  const type = decoder.get('type').string();
  switch (type) {
    case 'Sequence':
      return decoder.get('decoders').list().flatMap(readSteps);
    case 'ByteLevel':
      return [{ type: 'byteLevel' }];
    case 'Replace':
      return [
        { type: 'replace', pattern: readPattern(decoder.get('pattern')), content: decoder.get('content').string() },
      ];
    case 'ByteFallback':
      return [{ type: 'byteFallback' }];
    case 'Fuse':
      return [{ type: 'fuse' }];
    case 'Strip':
      return [
        {
          type: 'strip',
          content: decoder.get('content').string(),
          start: decoder.get('start').integer(1 << 30),
          stop: decoder.get('stop').integer(1 << 30),
        },
      ];
    case 'Metaspace': {
      const always = decoder.get('add_prefix_space').boolean(true) ? 'always' : 'never';
      const scheme = decoder.get('prepend_scheme').oneOf(['always', 'first', 'never'] as const, always);
      return [
        { type: 'metaspace', metaspace: decoder.get('replacement').character('▁'), dropFirst: scheme !== 'never' },
      ];
    }
    case 'WordPiece':
      return [
        {
          type: 'wordPiece',
          prefix: decoder.get('prefix').string('##'),
          cleanup: decoder.get('cleanup').boolean(true),
        },
      ];
    case 'BPEDecoder':
      return [{ type: 'bpe', suffix: decoder.get('suffix').string('</w>') }];
    case 'CTC':
      return [
        {
          type: 'ctc',
          padding: decoder.get('pad_token').string('<pad>'),
          delimiter: decoder.get('word_delimiter_token').string('|'),
          cleanup: decoder.get('cleanup').boolean(true),
        },
      ];
    default:
      throw decoder.unsupported(type, supported);
  }
}
