/** Selects the tokens of a document that belong to parts defined by a rule, e.g. the replies of a conversation. */
import { UnsupportedError } from '../core/errors.ts';
import type { Tokenizer } from './tokenizer.ts';

export interface PartRule {
  /** A part starts after this text, e.g. 'Bot:'. */
  readonly after: string;
  /** A part ends with this text (inclusive), or at the end of the document. */
  readonly until: string;
}

/** Marks the tokens of one document. Its pieces are passed in order. */
export interface TextParts {
  /**
   * Returns for each token: true if it starts in a part.
   * @param ids of the piece's text, without BOS and EOS
   * @throws {UnsupportedError} for a tokenizer whose tokens are not the bytes of the text
   */
  mark(text: string, ids: readonly number[]): boolean[];
  /** True if the following text belongs to a part. */
  readonly inside: boolean;
}

/** @param rule if absent, all tokens are selected */
export function textParts(rule: PartRule | undefined, tokenizer: Tokenizer): TextParts {
  if (!rule) return { inside: true, mark: (_, ids) => ids.map(() => true) };
  const encoder = new TextEncoder();
  let inside = false;
  return {
    get inside() {
      return inside;
    },
    mark(text, ids) {
      const bytes = encoder.encode(text).length;
      const lengths = ids.map((id) => tokenizer.bytes(id).length);
      const extra = lengths.reduce((sum, length) => sum + length, 0) - bytes;
      // one more byte: the space that some tokenizers add before a text
      if (extra !== 0 && extra !== 1) {
        throw new UnsupportedError('parts of documents with a tokenizer', 'that changes the text', [
          'byte-level tokenizers',
        ]);
      }
      /** Byte offsets of alternating starts and ends of parts. */
      const edges: number[] = inside ? [0] : [];
      for (let at = 0, byte = 0; ; inside = !inside) {
        const marker = inside ? rule.until : rule.after;
        const found = text.indexOf(marker, at);
        if (found < 0) break;
        byte += encoder.encode(text.slice(at, found + marker.length)).length;
        at = found + marker.length;
        edges.push(byte);
      }
      let start = -extra;
      let passed = 0;
      return lengths.map((length) => {
        while (passed < edges.length && edges[passed] <= start) passed++;
        start += length;
        return passed % 2 === 1;
      });
    },
  };
}
