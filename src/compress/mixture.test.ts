/** Compares the formats of mixtures with those that llama-quantize chooses (scripts/makeMixtureGolden.ts). */
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { formatByName } from '../tensor/formats.ts';
import { fileTypeByName } from './fileTypes.ts';
import { type MixtureTensor, mixture } from './mixture.ts';

interface Golden {
  readonly architecture: string;
  readonly layers: number;
  readonly queryGroups: number;
  /** Row lengths by part. */
  readonly widths: Readonly<Record<string, string>>;
  /** 'Q4_K_M --imatrix' → formats by part, 'Q6_K Q4_K*3' for four layers. */
  readonly types: Readonly<Record<string, Readonly<Record<string, string>>>>;
}

const goldens = JSON.parse(readFileSync(new URL('mixture.golden.json', import.meta.url), 'utf8')) as readonly Golden[];

const F32 = formatByName('F32');
const unpacked = (text: string): string[] =>
  text.split(' ').flatMap((run) => {
    const [value, count = '1'] = run.split('*');
    return new Array<string>(Number(count)).fill(value);
  });
const named = (parts: Readonly<Record<string, string>>): [name: string, value: string][] =>
  Object.entries(parts).flatMap(([part, text]) => {
    const values = unpacked(text);
    const isOfBlocks = !/^(token_embd|output)\./.test(part);
    return values.map((value, layer): [string, string] => [isOfBlocks ? `blk.${layer}.${part}` : part, value]);
  });

describe.each(goldens)(
  'mixtures of $architecture with $layers layers',
  ({ architecture, layers, queryGroups, widths, types }) => {
    const tensors = named(widths).map(
      ([name, width]): MixtureTensor => ({ name, shape: [64, Number(width)], format: F32 }),
    );

    it.each(Object.keys(types))('%s', (key) => {
      const [type, flag] = key.split(' ');
      const formats = mixture(tensors, {
        ...{ architecture, layers, queryGroups, experts: 0 },
        type: fileTypeByName(type),
        hasImportance: flag === '--imatrix',
        pure: flag === '--pure',
      });
      const found = Object.fromEntries([...formats].map(([name, { name: format }]) => [name, format]));
      expect(found).toEqual(Object.fromEntries(named(types[key])));
    });
  },
);

describe('mixtures', () => {
  const tensor = (name: string, width = 256): MixtureTensor => ({ name, shape: [256, width], format: F32 });
  const options = {
    type: fileTypeByName('q4_k'),
    architecture: 'llama',
    layers: 1,
    queryGroups: 1,
    experts: 0,
    hasImportance: false,
  };
  const format = (name: string, more: object, width?: number) =>
    mixture([tensor(name, width)], { ...options, ...more }).get(name)!.name;

  it('give way to the first pattern that matches', () => {
    const tensorTypes = [
      [/ffn_/, formatByName('Q5_K')],
      [/ffn_down/, formatByName('Q8_0')],
    ] as const;
    expect(format('blk.0.ffn_down.weight', { tensorTypes })).toBe('Q5_K');
    expect(format('blk.0.attn_q.weight', { tensorTypes })).toBe('Q4_K');
  });

  it('of floats have the formats of patterns, too', () => {
    const more = { type: fileTypeByName('F16'), tensorTypes: [[/ffn_down/, formatByName('Q8_0')]] };
    expect(format('blk.0.ffn_down.weight', more)).toBe('Q8_0');
    expect(format('blk.0.ffn_up.weight', more)).toBe('F16');
  });

  it('give a tied embedding the format of the output', () => {
    const outputTensorType = formatByName('Q8_0');
    for (const more of [{}, { pure: true }, { type: fileTypeByName('F16') }])
      expect(format('token_embd.weight', { ...more, outputTensorType })).toBe('Q8_0');
    expect(format('token_embd.weight', { tensorTypes: [[/embd/, formatByName('Q5_0')]], outputTensorType })).toBe(
      'Q5_0',
    );
  });

  it('refuse a named format that does not fit, and one without an encoder', () => {
    const tensorTypes = [[/ffn/, formatByName('Q5_K')]] as const;
    expect(() => format('blk.0.ffn_up.weight', { tensorTypes }, 96)).toThrow(
      /blk\.0\.ffn_up\.weight is Q5_K, expected/,
    );
    expect(() => format('token_embd.weight', { tokenEmbeddingType: formatByName('NVFP4') })).toThrow(/NVFP4/);
  });

  it('leave norms and vectors as they are', () => {
    expect(format('blk.0.attn_norm.weight', {})).toBe('F32');
    expect(mixture([{ name: 'x.weight', shape: [64], format: F32 }], options).get('x.weight')).toBe(F32);
  });

  it('list the known types for an unknown one', () => {
    expect(() => fileTypeByName('Q9_K')).toThrow(/Q9_K is not supported; supported: F32.*Q4_K_M/);
  });
});
