/**
 * Distillation from a teacher whose vocabulary contains the student's tokens and more. The teacher reads a text in its own
 * tokens. The probability of a teacher's token that the student lacks is added to the first student token of its text:
 *
 *     student    The | del | ic | ious | pear        after "del" and "ic" the next token is certain
 *     teacher    The |   delicious     | pear        after "The", P(del) = Σ P(teacher tokens that begin with del …)
 *
 * A student that learns this perfectly assigns every text the same probability as the teacher.
 */
import { OptionError } from '../core/errors.ts';
import type { TokenizerSpec } from '../tokenizer/spec.ts';
import { createTokenizer } from '../tokenizer/tokenizer.ts';

export interface LargerVocabulary {
  /** Encodes sequences of equal length, given in the student's tokens, in the teacher's tokens. */
  encode(tokens: Int32Array, sequence: number): TeacherTokens;
  /**
   * Converts logits over the teacher's vocabulary to logits over the student's.
   * @param all [teacher's V]
   * @param own [student's V], overwritten
   */
  project(all: Float32Array, own: Float32Array): void;
}

export interface TeacherTokens {
  /** [B·S] teacher's tokens. Undefined content after the end of each sequence. */
  readonly tokens: Int32Array;
  /** [B·S] for each student token the row of `tokens` that ends at the same place, or −1 if there is none. */
  readonly ends: Int32Array;
}

/** Tokens with less than e^−12 of the highest probability are ignored. Together they have less than 0.001 (measured on chat-3m). */
const NEGLIGIBLE = 12;

/** @returns undefined if both vocabularies are the same @throws {OptionError} if the teacher lacks a token of the student */
export function largerVocabulary(
  own: TokenizerSpec,
  other: TokenizerSpec | undefined,
  teacher: string,
): LargerVocabulary | undefined {
  if (!other) throw new OptionError('teacher', teacher, "the student's tokens, but it has no tokenizer");
  if (own.tokens.length === other.tokens.length && own.tokens.every((token, id) => token === other.tokens[id]))
    return undefined;
  const ids = teacherIds(own, other, teacher);
  const shared = new Set(ids);
  const spellings = studentSpellings(own, other, shared);
  const lacking = Int32Array.from(spellings.keys());
  const firsts = Int32Array.from(spellings.values(), ([first]) => first);
  const root = prefixTree(spellings);
  return {
    encode(tokens, sequence) {
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
    project(all, own) {
      let maximum = Number.NEGATIVE_INFINITY;
      for (let id = 0; id < all.length; id++) if (all[id] > maximum) maximum = all[id];
      for (let id = 0; id < ids.length; id++) own[id] = all[ids[id]];
      for (let i = 0; i < lacking.length; i++) {
        const logit = all[lacking[i]];
        if (logit > maximum - NEGLIGIBLE) own[firsts[i]] = logSumExp(own[firsts[i]], logit);
      }
    },
  };
}

/** Returns the teacher's id of each student token. @throws {OptionError} if the teacher lacks a token */
export function teacherIds(own: TokenizerSpec, other: TokenizerSpec, teacher: string): Int32Array {
  const known = new Map(other.tokens.map((token, id) => [token, id]));
  const missing = own.tokens.filter((token) => !known.has(token));
  if (own.kind !== other.kind || missing.length > 0) {
    const lacks = `it lacks ${missing.length} of them, such as ${JSON.stringify(missing[0])}`;
    const problem = own.kind === other.kind ? lacks : `its vocabulary is of kind ${other.kind}`;
    throw new OptionError('teacher', teacher, `the student's tokens, but ${problem}`);
  }
  return Int32Array.from(own.tokens, (token) => known.get(token)!);
}

/** Maps each teacher token that the student lacks to the student tokens of its text. Omits texts that the student cannot encode. */
function studentSpellings(
  own: TokenizerSpec,
  other: TokenizerSpec,
  shared: ReadonlySet<number>,
): Map<number, number[]> {
  const [student, teacher] = [own, other].map(createTokenizer);
  const special = new Set(other.added.map(({ id }) => id));
  const spellings = new Map<number, number[]>();
  for (const id of other.tokens.keys()) {
    if (shared.has(id) || special.has(id)) continue;
    const text = teacher.decode([id]);
    const written = student.encode(text, { addBos: false, addEos: false });
    if (text !== '' && student.decode(written) === text && !text.includes('\ufffd')) spellings.set(id, written);
  }
  return spellings;
}

interface Node {
  /** Teacher's token whose spelling ends at this node. */
  id?: number;
  readonly next: Map<number, Node>;
}

function prefixTree(spellings: ReadonlyMap<number, readonly number[]>): Node {
  const root: Node = { next: new Map() };
  for (const [id, written] of spellings) {
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

function logSumExp(a: number, b: number): number {
  return Math.max(a, b) + Math.log1p(Math.exp(-Math.abs(a - b)));
}
