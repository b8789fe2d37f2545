/**
 * Toy vocabularies, trained on `gardenText`: byte-level BPE as GPT-2 has it, and SentencePiece-style BPE with byte
 * fallback as Llama 2 has it. Small, but with everything that a tokenizer needs.
 */
import { gardenText } from './text.ts';

/** ggml's numbers for what a token is. */
const NORMAL = 1;
const UNKNOWN = 2;
const CONTROL = 3;
const BYTE = 6;
const UNUSED = 5;

export interface Pieces {
  /** 'bpe' or 'spm', as `tokenizer.ggml.model` 'gpt2' or 'llama'. */
  readonly kind: 'bpe' | 'spm';
  readonly tokens: readonly string[];
  /** ggml's token types, one per token. */
  readonly types: readonly number[];
  /** 'spm': the higher, the earlier a piece is merged. */
  readonly scores: readonly number[];
  /** 'bpe': pairs to merge, best first; a piece's own spaces are written Ġ. */
  readonly merges: readonly (readonly [string, string])[];
  /** Ids of what the model must not see in the middle of a text. */
  readonly special: readonly number[];
}

/** @param size tokens in all, at least 256 + `specials`; unused ones fill it up @param specials names of the last tokens */
export function byteLevelPieces(size: number, specials: readonly string[]): Pieces {
  const alphabet = byteCharacters();
  const bytes = new TextEncoder();
  const words = gardenText.match(/ ?\p{L}+| ?[^\s\p{L}]+|\s/gu)!;
  const spelled = words.map((word) => Array.from(bytes.encode(word), (byte) => alphabet[byte]));
  const merges = learnMerges(spelled, size - 256 - specials.length);
  const learned = [...alphabet, ...merges.map((pair) => pair.join(''))];
  const filler = fill(size - learned.length - specials.length);
  const tokens = [...learned, ...filler, ...specials];
  const firstSpecial = size - specials.length;
  return {
    kind: 'bpe',
    tokens,
    types: tokens.map((_, id) => (id >= firstSpecial ? CONTROL : id >= learned.length ? UNUSED : NORMAL)),
    scores: [],
    merges,
    special: specials.map((_, i) => firstSpecial + i),
  };
}

/** Ids 0 `<unk>`, 1 `<s>`, 2 `</s>`, then 256 bytes, merged pieces, single characters. @param size tokens in all, at least 360 */
export function sentencePieces(size: number, specials: readonly string[] = []): Pieces {
  const words = gardenText.match(/\s?[^\s]+/gu)!.map((word) => [...`▁${word.trimStart()}`]);
  const characters = [...new Set(words.flat())].sort();
  const first = ['<unk>', '<s>', '</s>', ...Array.from({ length: 256 }, (_, byte) => byteToken(byte))];
  const room = size - first.length - characters.length - specials.length;
  const merged = [...new Set(learnMerges(words, room).map((pair) => pair.join('')))];
  const learned = [...first, ...merged, ...characters];
  const tokens = [...learned, ...fill(size - learned.length - specials.length), ...specials];
  const firstSpecial = size - specials.length;
  const typeOf = (id: number) => {
    if (id === 0) return UNKNOWN;
    if (id < 3 || id >= firstSpecial) return CONTROL;
    if (id < first.length) return BYTE;
    return id < learned.length ? NORMAL : UNUSED;
  };
  return {
    kind: 'spm',
    tokens,
    types: tokens.map((_, id) => typeOf(id)),
    scores: tokens.map((_, id) => (id < first.length || id >= firstSpecial ? 0 : first.length - id)),
    merges: [],
    special: [0, 1, 2, ...specials.map((_, i) => firstSpecial + i)],
  };
}

/**
 * The merges by which a Hugging Face tokenizer.json expresses a SentencePiece vocabulary: every split of every piece
 * into two pieces, best score first.
 */
export function mergesOf({ tokens, scores, types }: Pieces): [string, string][] {
  const ids = new Map(tokens.map((token, id) => [token, id]));
  const found: { pair: [string, string]; score: number; left: number; right: number }[] = [];
  tokens.forEach((token, id) => {
    if (types[id] !== NORMAL) return;
    const characters = [...token];
    for (let cut = 1; cut < characters.length; cut++) {
      const pair: [string, string] = [characters.slice(0, cut).join(''), characters.slice(cut).join('')];
      const [left, right] = pair.map((part) => ids.get(part));
      if (left !== undefined && right !== undefined) found.push({ pair, score: scores[id], left, right });
    }
  });
  found.sort((a, b) => b.score - a.score || a.left - b.left || a.right - b.right);
  return found.map(({ pair }) => pair);
}

/** GPT-2's printable stand-in for each byte. */
function byteCharacters(): string[] {
  let next = 256;
  return Array.from({ length: 256 }, (_, byte) => {
    const printable = (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
    return String.fromCharCode(printable ? byte : next++);
  });
}

function byteToken(byte: number): string {
  return `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`;
}

function fill(count: number): string[] {
  return Array.from({ length: count }, (_, i) => `<unused${i}>`);
}

/** Byte-pair encoding (Gage 1994; Sennrich 2016): merges the most frequent pair again and again, ties in code-unit order. */
function learnMerges(words: readonly (readonly string[])[], count: number): [string, string][] {
  let spelled = words.map((word) => [...word]);
  const merges: [string, string][] = [];
  while (merges.length < count) {
    const counts = new Map<string, number>();
    for (const word of spelled) {
      for (let i = 1; i < word.length; i++) {
        const pair = `${word[i - 1]}\n${word[i]}`;
        counts.set(pair, (counts.get(pair) ?? 0) + 1);
      }
    }
    const best = [...counts].reduce((a, b) => (b[1] > a[1] || (b[1] === a[1] && b[0] < a[0]) ? b : a), ['', 1]);
    if (best[1] < 2) break;
    const [left, right] = best[0].split('\n');
    merges.push([left, right]);
    spelled = spelled.map((word) => mergePair(word, left, right));
  }
  return merges;
}

function mergePair(word: readonly string[], left: string, right: string): string[] {
  const merged: string[] = [];
  for (let i = 0; i < word.length; i++) {
    if (word[i] === left && word[i + 1] === right) merged.push(left + word[++i]);
    else merged.push(word[i]);
  }
  return merged;
}
