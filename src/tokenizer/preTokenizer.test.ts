import { describe, expect, it } from 'vitest';
import { fromByteLetters } from './byteAlphabet.ts';
import { createPreTokenizer } from './preTokenizer.ts';
import type { PreTokenizerStep } from './spec.ts';

const split = (given: string | readonly PreTokenizerStep[], text: string) =>
  createPreTokenizer(given).split(text).map(readable);
const readable = (word: string) => new TextDecoder().decode(fromByteLetters(word));

describe('a pre-tokenizer', () => {
  const text = "Hello  World's 12345,\n\n  été!";

  it.each([
    ['gpt-2', ['Hello', ' ', ' World', "'s", ' 12345', ',', '\n\n ', ' été', '!']],
    ['starcoder', ['Hello', ' ', ' World', "'s", ' ', '1', '2', '3', '4', '5', ',', '\n\n ', ' été', '!']],
    ['llama-bpe', ['Hello', ' ', ' World', "'s", ' ', '123', '45', ',\n\n', ' ', ' été', '!']],
    ['qwen2', ['Hello', ' ', ' World', "'s", ' ', '1', '2', '3', '4', '5', ',\n\n', ' ', ' été', '!']],
    ['deepseek-v3', ['Hello', ' ', ' World', "'s", ' ', '123', '45', ',\n\n', ' ', ' été', '!']],
    ['falcon', ['Hello', ' ', ' World', "'", 's', ' ', '123', '45', ',', '\n\n ', ' été', '!']],
  ])('named %s splits text so', (name, words) => {
    expect(split(name, text)).toEqual(words);
  });

  it('does with its matches what it is told', () => {
    const pattern = '-';
    expect(split([{ pattern }], 'a--b-')).toEqual(['a', '-', '-', 'b', '-']);
    expect(split([{ pattern, behavior: 'removed' }], 'a--b-')).toEqual(['a', 'b']);
    expect(split([{ pattern, behavior: 'merged-with-previous' }], '-a--b-')).toEqual(['-', 'a-', '-', 'b-']);
    expect(split([{ pattern, behavior: 'merged-with-next' }], '-a--b-')).toEqual(['-a', '-', '-b', '-']);
    expect(split([{ pattern, behavior: 'contiguous' }], 'a--b-')).toEqual(['a', '--', 'b', '-']);
    expect(split([{ pattern: '[a-z]+', behavior: 'removed', invert: true }], 'a--b-')).toEqual(['a', 'b']);
  });

  it('loses nothing and adds nothing', () => {
    for (const name of ['default', 'deepseek-llm', 'tekken', 'gpt-4o']) expect(split(name, text).join('')).toBe(text);
  });

  it('shows later stages bytes where it is told to', () => {
    expect(createPreTokenizer(['bytes', { pattern: 'Ã' }]).split('é')).toEqual(['Ã', '©']);
  });
});
