/** Blocks written by hand from the layouts. They cover every field, the first and last elements, and both halves of each packing. */
import { describe, expect, it } from 'vitest';
import { blockFormats, formatByName } from '../formats.ts';
import { layout } from './fields.ts';

const half = { one: [0x00, 0x3c], two: [0x00, 0x40], quarter: [0x00, 0x34], minusThree: [0x00, 0xc2] };

/** A block of zeros with some bytes set, keyed by offset. */
type Bytes = Readonly<Record<number, readonly number[]>>;
/** Elements, keyed by index. */
type Elements = Readonly<Record<number, number>>;

const cases: Record<string, { what: string; bytes: Bytes; elements: Elements }[]> = {
  F32: [{ what: '-1.5', bytes: { 0: [0, 0, 0xc0, 0xbf] }, elements: { 0: -1.5 } }],
  F16: [{ what: '-3', bytes: { 0: half.minusThree }, elements: { 0: -3 } }],
  BF16: [{ what: '-1.5', bytes: { 0: [0xc0, 0xbf] }, elements: { 0: -1.5 } }],
  Q8_0: [
    {
      what: 'd 1/4, signed bytes',
      bytes: { 0: half.quarter, 2: [4, 0xfc, 0x80], 33: [127] },
      elements: { 0: 1, 1: -1, 2: -32, 3: 0, 31: 31.75 },
    },
  ],
  Q4_0: [
    {
      what: 'd 2, low nibbles first',
      bytes: { 0: half.two, 2: [0x8f], 17: [0x0a] },
      elements: { 0: 14, 16: 0, 1: -16, 15: 4, 31: -16 },
    },
  ],
  Q4_1: [
    {
      what: 'd 2, m -3',
      bytes: { 0: half.two, 2: half.minusThree, 4: [0x71], 19: [0xf0] },
      elements: { 0: -1, 16: 11, 1: -3, 15: -3, 31: 27 },
    },
  ],
  Q5_0: [
    {
      what: 'd 2, fifth bits of elements 0, 9, 31',
      bytes: { 0: half.two, 2: [0x01, 0x02, 0, 0x80], 6: [0x21], 15: [0x05], 21: [0x3f] },
      elements: { 0: 2, 16: -28, 9: 10, 25: -32, 15: -2, 31: 6, 1: -32 },
    },
  ],
  Q5_1: [
    {
      what: 'd 2, m -3, fifth bits of elements 0, 9, 31',
      bytes: { 0: half.two, 2: half.minusThree, 4: [0x01, 0x02, 0, 0x80], 8: [0x21], 17: [0x05], 23: [0x3f] },
      elements: { 0: 31, 16: 1, 9: 39, 25: -3, 15: 27, 31: 35, 1: -3 },
    },
  ],
  Q2_K: [
    {
      what: 'd 1, dmin 2; scales 2, 5, 1, 15 and mins 3, 0, 1, 0 of sub-blocks 0, 2, 4, 6; sub-block 15',
      bytes: {
        0: [0x32],
        2: [0x05],
        4: [0x11],
        6: [0x0f],
        15: [0x14],
        16: [0xe4],
        79: [0x80],
        80: half.one,
        82: half.two,
      },
      elements: { 0: -6, 1: -6, 32: 5, 64: 0, 96: 45, 255: 6, 254: -2, 16: 0 },
    },
  ],
  Q3_K: [
    {
      what: 'd 2; scales 1, 21 of sub-blocks 0, 15; scales -32 elsewhere',
      bytes: {
        0: [0x01],
        31: [0x80],
        32: [0x03],
        95: [0x80],
        96: [0x01],
        103: [0x50],
        104: [0x02],
        107: [0xc0],
        108: half.two,
      },
      elements: { 0: 6, 1: -8, 255: 84, 254: -168, 16: 256, 32: 256, 64: 256 },
    },
    {
      what: 'd 1, scale 1 of sub-block 6 (elements 96 to 111): bits 6 and 7 of qs, bit 3 of hmask',
      bytes: { 2: [0x08], 32: [0x40, 0x80, 0xc0], 102: [0x01], 106: [0x08], 108: half.one },
      elements: { 96: -3, 97: -2, 98: 3, 99: -4 },
    },
  ],
  Q4_K: [
    {
      what: 'd 1, dmin 2; scales 7, 19 and mins 4, 41 of sub-blocks 1, 5',
      bytes: { 0: half.one, 2: half.two, 5: [0x47], 9: [0x84], 13: [0x93], 16: [0x3f], 80: [0xaf], 111: [0x10] },
      elements: { 0: 0, 32: 13, 33: -8, 128: 0, 160: 108, 191: -63, 161: -82 },
    },
  ],
  Q5_K: [
    {
      what: 'd 1, dmin 2; scales 7, 19 and mins 4, 41 of sub-blocks 1, 5; fifth bits of elements 32 and 160',
      bytes: {
        0: half.one,
        2: half.two,
        5: [0x47],
        9: [0x84],
        13: [0x93],
        16: [0x22],
        48: [0x3f],
        112: [0xaf],
        143: [0x10],
      },
      elements: { 0: 0, 32: 125, 33: -8, 160: 412, 191: -63, 161: -82 },
    },
  ],
  Q6_K: [
    {
      what: 'd 2; scales 1, -2, 3 of sub-blocks 0, 7, 12',
      bytes: {
        0: [0x05],
        49: [0x70],
        69: [0x90],
        128: [0x02],
        145: [0xc0],
        165: [0x10],
        192: [0x01],
        199: [0xfe],
        204: [0x03],
        208: half.two,
      },
      elements: { 0: 10, 1: -64, 113: -92, 112: 128, 197: -42, 196: -192, 255: 0 },
    },
  ],
  IQ4_NL: [
    {
      what: 'd 2, ends and middle of the levels',
      bytes: { 0: half.two, 2: [0xf0], 17: [0x78] },
      elements: { 0: -254, 16: 226, 15: 2, 31: -20 },
    },
  ],
  IQ4_XS: [
    {
      what: 'd 1; scale 4 of sub-block 3, 31 of sub-block 7; -32 elsewhere',
      bytes: { 0: half.one, 2: [0x80, 0xc0], 5: [0x40], 7: [0xf0], 56: [0xe9], 135: [0x08] },
      elements: { 96: 52, 112: 356, 97: -508, 239: 31, 255: -3937, 0: 4064 },
    },
  ],
  TQ1_0: [
    {
      // trits 2 0 1 1 2 are 176 of 243: 186 of 256; trits 0 1 2 2 are 51 of 243: 54 of 256
      what: 'd 2; five trits 32 apart, five 16 apart, four 4 apart',
      bytes: { 3: [186], 34: [186], 49: [54], 52: half.two },
      elements: {
        3: 2,
        35: -2,
        67: 0,
        99: 0,
        131: 2,
        162: 2,
        178: -2,
        194: 0,
        210: 0,
        226: 2,
        241: -2,
        245: 0,
        249: 2,
        253: 2,
        0: -2,
        255: -2,
      },
    },
  ],
  TQ2_0: [
    {
      what: 'd 2; pairs of bits 32 elements apart',
      bytes: { 0: [0x92], 63: [0x18], 64: half.two },
      elements: { 0: 2, 32: -2, 64: 0, 96: 2, 159: -2, 191: 2, 223: 0, 255: -2 },
    },
  ],
  MXFP4: [
    { what: 'e 128', bytes: { 0: [128], 1: [0xe7], 16: [0x31] }, elements: { 0: 12, 16: -8, 15: 1, 31: 3, 1: 0 } },
    { what: 'the smallest e', bytes: { 0: [0], 1: [0x92] }, elements: { 0: 2 ** -127, 16: -(2 ** -128) } },
  ],
  NVFP4: [
    {
      what: 'd 1, 2, 2^-9 and not a number',
      bytes: { 0: [0x38, 0x40, 0x01, 0x7f], 4: [0xe7], 12: [0x31], 20: [0x92], 28: [0x77] },
      elements: { 0: 6, 8: -4, 16: 1, 24: 3, 32: 2 ** -9, 40: -(2 ** -10), 48: 0, 56: 0, 1: 0 },
    },
  ],
  Q1_0: [
    {
      what: 'd 2; bits of elements 0, 9, 127',
      bytes: { 0: half.two, 2: [0x01, 0x02], 17: [0x80] },
      elements: { 0: 2, 9: 2, 127: 2, 1: -2, 8: -2, 126: -2 },
    },
  ],
  Q2_0: [
    {
      what: 'd 2; four to a byte',
      bytes: { 0: half.two, 2: [0xe4], 17: [0x80] },
      elements: { 0: -2, 1: 0, 2: 2, 3: 4, 63: 2, 62: -2 },
    },
  ],
  IQ3_S: [
    {
      what: 'd 2; scales 1 and 2 of sub-blocks 0 and 1; vectors 0 and 511, a minus sign',
      bytes: { 0: half.two, 2: [0, 0xff], 66: [0x02], 74: [0x20], 106: [0x21] },
      elements: { 0: 6, 3: 6, 4: 6, 5: -6, 7: 90, 32: 10, 255: 2 },
    },
  ],
  IQ3_XXS: [
    {
      what: 'd 2; scale 1 of sub-block 0; minus signs of elements 1 and, by parity, 7',
      bytes: { 0: half.two, 66: [0x02, 0, 0, 0x10] },
      elements: { 0: 6, 1: -6, 7: -6, 8: 6, 32: 2, 255: 2 },
    },
  ],
  IQ2_S: [
    {
      what: 'd 1; scales 1 and 2 of sub-blocks 0 and 1; vector 1023, a minus sign',
      bytes: { 0: half.one, 2: [0xff], 34: [0x80], 66: [0x03], 74: [0x21] },
      elements: { 0: 16.125, 7: -16.125, 8: 3, 16: 5, 31: 5, 255: 1 },
    },
  ],
  IQ2_XS: [
    {
      what: 'd 1; scales 1 and 2 of sub-blocks 0 and 1; vector 511, minus signs of elements 0 and, by parity, 7',
      bytes: { 0: half.one, 2: [0xff, 0x03], 66: [0x21] },
      elements: { 0: -16.125, 1: 16.125, 7: -16.125, 8: 3, 16: 5, 255: 1 },
    },
  ],
  IQ2_XXS: [
    {
      what: 'd 1; scale 1 of sub-block 0; minus signs of elements 8 and, by parity, 15',
      bytes: { 0: half.one, 6: [0x80, 0, 0, 0x10] },
      elements: { 0: 3, 7: 3, 8: -3, 15: -3, 16: 3, 32: 1, 255: 1 },
    },
  ],
  IQ1_M: [
    {
      what: 'd 1; scales 1 and 2 of sub-blocks 0 and 1; vectors 0 and 2047, a minus sign of δ',
      bytes: { 0: [0, 0xff], 32: [0xf0], 48: [0x11], 53: [0xc0], 55: [0x30] },
      elements: { 0: -2.625, 8: 2.625, 16: -4.375, 255: -0.875 },
    },
  ],
  IQ1_S: [
    {
      what: 'd 2; scale 1 and a minus sign of δ in sub-block 0; vectors 0 and 2047',
      bytes: { 0: half.two, 2: [0, 0xff], 34: [0x38, 0x90] },
      elements: { 0: -6.75, 8: 5.25, 15: 5.25, 16: -6.75, 32: -1.75, 255: -1.75 },
    },
  ],
};

describe('blocks written by hand', () => {
  for (const [name, blocks] of Object.entries(cases)) {
    for (const { what, bytes, elements } of blocks) {
      it(`${name}: ${what}`, () => {
        const format = formatByName(name);
        const block = new Uint8Array(format.blockBytes);
        for (const [offset, run] of Object.entries(bytes)) block.set(run, Number(offset));
        const x = new Float32Array(format.blockSize);
        format.decode(block, 0, x, 0, 1);
        const found = Object.fromEntries(Object.keys(elements).map((i) => [i, x[Number(i)] + 0]));
        expect(found).toEqual(elements);
      });
    }
  }

  it('cover every format', () => {
    expect(Object.keys(cases)).toEqual(blockFormats.map((format) => format.name));
  });
});

describe('layout', () => {
  it('gives the offsets of fields that follow each other', () => {
    expect(layout('X', 7, { a: 2, b: 4, c: 1 })).toEqual({ a: 0, b: 2, c: 6 });
  });

  it('refuses fields that do not fill the block', () => {
    expect(() => layout('X', 8, { a: 2, b: 4 })).toThrow('X: its fields take 6 bytes, expected 8');
  });
});
