/**
 * OpenAI's test plans for the available vocabularies: cl100k_base from its ranks, and r50k_base, which is GPT-2's.
 * The ranks of p50k_base, p50k_edit and o200k_base are not available.
 */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { letterOfByte } from '../../src/tokenizer/byteAlphabet.ts';
import type { TokenizerSpec } from '../../src/tokenizer/spec.ts';
import { createTokenizer } from '../../src/tokenizer/tokenizer.ts';
import { sharedData } from '../sharedData.ts';
import { huggingFacePath, huggingFaceSpec } from './vocabularies.ts';

const plans = sharedData('tokenizers/openai/TestPlans.txt');
const ranks = sharedData('tokenizers/openai/cl100k_base.tiktoken');
const gpt2 = huggingFacePath('gpt2');
const without = ['o200k_base', 'p50k_base', 'p50k_edit'];

/** Parses a .tiktoken file: each line has a token's bytes in base64 and its rank, which is its id. */
function cl100k(path: string): TokenizerSpec {
  const tokens: string[] = [];
  for (const line of readFileSync(path, 'utf8').split('\n').filter(Boolean)) {
    const [base64, rank] = line.split(' ');
    tokens[Number(rank)] = [...Buffer.from(base64, 'base64')].map((byte) => letterOfByte[byte]).join('');
  }
  const pattern = String.raw`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`;
  return { kind: 'bpe', tokens, preTokenizer: [{ pattern }, 'bytes'], added: [], addBos: false, addEos: false };
}

interface Plan {
  readonly encoding: string;
  readonly sample: string;
  readonly ids: number[];
}

function readPlans(path: string): Plan[] {
  const pattern = /EncodingName: (\S+)\r?\nSample: (.*?)\r?\nEncoded: (\[.*?\])/gs;
  return [...readFileSync(path, 'utf8').matchAll(pattern)].map(([, encoding, sample, ids]) => ({
    encoding,
    sample,
    ids: JSON.parse(ids) as number[],
  }));
}

describe.skipIf(plans === undefined)("OpenAI's test plans", () => {
  it('use only these encodings', () => {
    const encodings = new Set(readPlans(plans!).map(({ encoding }) => encoding));
    expect([...encodings].sort()).toEqual(['cl100k_base', ...without, 'r50k_base'].sort());
    console.log(`skipped: no ranks file for ${without.join(', ')}`);
  });

  it.skipIf(ranks === undefined)('for cl100k_base are met by its ranks', () => {
    const tokenizer = createTokenizer(cl100k(ranks!));
    const own = readPlans(plans!).filter(({ encoding }) => encoding === 'cl100k_base');
    expect(own.length).toBe(64);
    for (const { sample, ids } of own) {
      expect(tokenizer.encode(sample), sample).toEqual(ids);
      expect(tokenizer.decode(ids)).toBe(sample);
    }
  });

  it.skipIf(gpt2 === undefined)("for r50k_base are met by GPT-2's vocabulary", () => {
    const tokenizer = createTokenizer(huggingFaceSpec(gpt2!));
    const own = readPlans(plans!).filter(({ encoding }) => encoding === 'r50k_base');
    expect(own.length).toBe(64);
    for (const { sample, ids } of own) expect(tokenizer.encode(sample), sample).toEqual(ids);
  });
});
