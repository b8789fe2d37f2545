/**
 * A teacher's larger vocabulary in the student's tokens. The teacher reads its own tokens, each in place of the student's
 * that it is written with; what it says of a token that the student lacks is said of the first of these:
 *
 *     student    The | del | ic | ious | pear        rows within a token, "del" and "ic", have their successor for certain
 *     teacher    The |   delicious     | pear        behind "The", P(del) = Σ P(tokens written del …)
 *
 * So the student's probability of a text is, where it has learned all of it, the teacher's own.
 */
import { OptionError } from '../core/errors.ts';
import type { TokenizerSpec } from '../tokenizer/spec.ts';
import { createTokenizer } from '../tokenizer/tokenizer.ts';

export interface LargerVocabulary {
  /** What the teacher reads of sequences of equal length, and where in it the student's tokens end. */
  read(tokens: Int32Array, sequence: number): TokensRead;
  /**
   * Says logits of the teacher's vocabulary in the student's.
   * @param all [teacher's V] @param own [V] is overwritten
   */
  say(all: Float32Array, own: Float32Array): void;
}

export interface TokensRead {
  /** [B·S] of the teacher's; behind the end of a sequence anything. */
  readonly tokens: Int32Array;
  /** [B·S] of each of the student's tokens the row of `tokens` that ends with it; −1: none does. */
  readonly ends: Int32Array;
}

/** What is less than e^−12 of the likeliest does not count: together less than a thousandth, of chat-3m. */
const FAINT = 12;

/** @returns undefined where both have the same tokens in the same places @throws {OptionError} naming a token that it lacks */
export function largerVocabulary(
  own: TokenizerSpec,
  other: TokenizerSpec | undefined,
  teacher: string,
): LargerVocabulary | undefined {
  if (!other) throw new OptionError('teacher', teacher, "the student's tokens, but it has no tokenizer");
  if (own.tokens.length === other.tokens.length && own.tokens.every((token, id) => token === other.tokens[id]))
    return undefined;
  const ids = idsOfTokens(own, other, teacher);
  const shared = new Set(ids);
  const writing = writtenWith(own, other, shared);
  const lacking = Int32Array.from(writing.keys());
  const firsts = Int32Array.from(writing.values(), ([first]) => first);
  const root = prefixTree(writing);
  return {
    read(tokens, sequence) {
      const found = { tokens: new Int32Array(tokens.length), ends: new Int32Array(tokens.length).fill(-1) };
      for (let from = 0; from < tokens.length; from += sequence) {
        let row = from;
        for (let at = from; at < from + sequence; row++) {
          const { id, length } = longestAt(root, tokens, at, from + sequence) ?? { id: ids[tokens[at]], length: 1 };
          found.tokens[row] = id;
          at += length;
          found.ends[at - 1] = row;
        }
      }
      return found;
    },
    say(all, own) {
      let most = Number.NEGATIVE_INFINITY;
      for (let id = 0; id < all.length; id++) if (all[id] > most) most = all[id];
      for (let id = 0; id < ids.length; id++) own[id] = all[ids[id]];
      for (let i = 0; i < lacking.length; i++) {
        const logit = all[lacking[i]];
        if (logit > most - FAINT) own[firsts[i]] = logOfSum(own[firsts[i]], logit);
      }
    },
  };
}

/** Where the student's tokens stand in a vocabulary that holds more, in any order. @throws {OptionError} naming one that is not there */
export function idsOfTokens(own: TokenizerSpec, other: TokenizerSpec, teacher: string): Int32Array {
  const known = new Map(other.tokens.map((token, id) => [token, id]));
  const missing = own.tokens.filter((token) => !known.has(token));
  if (own.kind !== other.kind || missing.length > 0) {
    const lacks = `it lacks ${missing.length} of them, such as ${JSON.stringify(missing[0])}`;
    const problem = own.kind === other.kind ? lacks : `its vocabulary is of kind ${other.kind}`;
    throw new OptionError('teacher', teacher, `the student's tokens, but ${problem}`);
  }
  return Int32Array.from(own.tokens, (token) => known.get(token)!);
}

/** The student's tokens for each of the others, but for those that it cannot write. */
function writtenWith(own: TokenizerSpec, other: TokenizerSpec, shared: ReadonlySet<number>): Map<number, number[]> {
  const [student, teacher] = [own, other].map(createTokenizer);
  const special = new Set(other.added.map(({ id }) => id));
  const writing = new Map<number, number[]>();
  for (const id of other.tokens.keys()) {
    if (shared.has(id) || special.has(id)) continue;
    const text = teacher.decode([id]);
    const written = student.encode(text, { addBos: false, addEos: false });
    if (text !== '' && student.decode(written) === text && !text.includes('\ufffd')) writing.set(id, written);
  }
  return writing;
}

interface Node {
  /** Of the teacher, whose writing ends here. */
  id?: number;
  readonly next: Map<number, Node>;
}

function prefixTree(writing: ReadonlyMap<number, readonly number[]>): Node {
  const root: Node = { next: new Map() };
  for (const [id, written] of writing) {
    let node = root;
    for (const token of written) {
      if (!node.next.has(token)) node.next.set(token, { next: new Map() });
      node = node.next.get(token)!;
    }
    node.id = id;
  }
  return root;
}

function longestAt(
  root: Node,
  tokens: Int32Array,
  from: number,
  end: number,
): { id: number; length: number } | undefined {
  let found: { id: number; length: number } | undefined;
  let node: Node | undefined = root;
  for (let at = from; node && at < end; at++) {
    node = node.next.get(tokens[at]);
    if (node?.id !== undefined) found = { id: node.id, length: at + 1 - from };
  }
  return found;
}

function logOfSum(a: number, b: number): number {
  return Math.max(a, b) + Math.log1p(Math.exp(-Math.abs(a - b)));
}
