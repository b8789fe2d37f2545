/** Which tokens of a document count, where a rule says that only parts do: the replies of a conversation. */
import { UnsupportedError } from '../core/errors.ts';
import type { Tokenizer } from './tokenizer.ts';

export interface PartRule {
  /** A part begins behind this text, such as 'Bot:'. */
  readonly after: string;
  /** It ends with this text, which belongs to it, or with the document. */
  readonly until: string;
}

/** Marks the tokens of one document, whose pieces come in order. */
export interface TextParts {
  /**
   * Of each token whether it begins in a part.
   * @param ids of the piece's text, without BOS and EOS
   * @throws {UnsupportedError} for a tokenizer whose tokens are not the bytes of the text
   */
  mark(text: string, ids: readonly number[]): boolean[];
  /** Whether what comes next belongs to a part. */
  readonly inside: boolean;
}

/** @param rule absent: everything counts */
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
      // one more is the space that some tokenizers put before a text
      if (extra !== 0 && extra !== 1) {
        throw new UnsupportedError('parts of documents with a tokenizer', 'that changes the text', [
          'byte-level tokenizers',
        ]);
      }
      /** Bytes at which parts begin and end by turns. */
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
