import { describe, expect, it } from 'vitest';
import { seededRandom } from '../core/random.ts';
import { blockFormats, formatByName } from '../tensor/formats.ts';
import { readHalf } from '../tensor/quant/fields.ts';
import { channelOrder } from './channelOrder.ts';
import { encode, encodeRows } from './encodeRows.ts';
import { zeroCode } from './matrix/gridBlocks.ts';
import { inverseCholesky } from './matrix/inverseCholesky.ts';
import { Matrices } from './matrix/matrices.ts';
import { isSearched, Solver } from './solver.ts';
import type { Statistic } from './statistic.ts';

const random = seededRandom(7);
const normal = (count: number) => Float32Array.from({ length: count }, () => random.normal());

/** H of correlated inputs: few common factors and some noise, at different magnitudes. */
function gramOf(n: number, tokens: number, mixing: Float32Array): Float32Array {
  const factors = 8;
  const gram = new Float32Array(n * n);
  for (let t = 0; t < tokens; t++) {
    const hidden = normal(factors);
    const x = Float32Array.from({ length: n }, (_, i) => {
      let sum = 0.3 * random.normal();
      for (let f = 0; f < factors; f++) sum += mixing[f * n + i] * hidden[f];
      return sum * (1 + (i % 7));
    });
    for (let i = 0; i < n; i++) for (let j = 0; j < n; j++) gram[i * n + j] += x[i] * x[j];
  }
  return gram;
}

function statisticOf(n: number): Statistic {
  const mixing = normal(8 * n);
  const [gram, heldOut] = [gramOf(n, 600, mixing), gramOf(n, 200, mixing)];
  return { gram, heldOut, size: n, tokens: 600, heldOutTokens: 200, tensors: ['w'] };
}

const formatsWithZero = blockFormats
  .filter((format) => format.grid && isSearched(format) && zeroCode(format.grid) !== undefined)
  .map(({ name }) => name);

describe('Matrices', () => {
  it.each([
    [4, 16, 8],
    [7, 3, 21],
    [1, 5, 3],
    [64, 64, 40],
  ])('subtracts a product of %i × %i × %i', async (rows, depth, columns) => {
    const matrices = await Matrices.create();
    const [a, b, c] = [normal(rows * depth), normal(depth * columns), normal(rows * columns)];
    const at = [a, b, c].map((values) => matrices.allocate(values.length));
    for (const [i, values] of [a, b, c].entries()) matrices.floats.set(values, at[i]);
    const view = (i: number, stride: number) => ({ at: at[i], stride });
    matrices.subtractProduct(view(2, columns), view(0, depth), view(1, columns), rows, depth, columns);
    for (let i = 0; i < rows; i++)
      for (let j = 0; j < columns; j++) {
        let expected = c[i * columns + j];
        for (let k = 0; k < depth; k++) expected -= a[i * depth + k] * b[k * columns + j];
        expect(matrices.floats[at[2] + i * columns + j]).toBeCloseTo(expected, 4);
      }
  });
});

describe('inverseCholesky', () => {
  it.each([1, 30, 64, 150])('has UᵀU · (H + damping) = 1 for %i channels, in any order', async (n) => {
    const matrices = await Matrices.create();
    const gram = gramOf(n, 2 * n + 20, normal(8 * n));
    const order = Int32Array.from({ length: n }, (_, i) => (i * 7 + 3) % n);
    const damping = (0.05 * Array.from({ length: n }, (_, i) => gram[i * n + i]).reduce((a, b) => a + b)) / n;
    const permutes = new Set(order).size === n;
    const options = { gram, size: n, order: permutes ? order : order.map((_, i) => i), damping };
    const u = inverseCholesky(matrices, options)!;
    const at = (i: number, j: number) => matrices.floats[u + i * n + j];
    for (let i = 0; i < n; i += 11) {
      for (let j = 0; j < i; j++) expect(at(i, j)).toBe(0);
      for (let j = 0; j < n; j += 5) {
        let sum = 0;
        for (let k = 0; k < n; k++) {
          let inverse = 0;
          for (let t = 0; t <= Math.min(i, k); t++) inverse += at(t, i) * at(t, k);
          const [row, column] = [options.order[k], options.order[j]];
          sum += inverse * (gram[row * n + column] + (row === column ? damping : 0));
        }
        expect(sum).toBeCloseTo(i === j ? 1 : 0, 2);
      }
    }
  });

  it('reports a matrix that is not positive definite', async () => {
    const gram = Float32Array.of(1, 2, 2, 1);
    const order = Int32Array.of(0, 1);
    expect(inverseCholesky(await Matrices.create(), { gram, size: 2, order, damping: 0 })).toBeUndefined();
  });
});

it('channelOrder keeps blocks and groups together, the most important first', () => {
  const importance = [1, 2, 3, 4, 9, 9, 0, 1];
  expect([...channelOrder(importance, 4, 2)]).toEqual([4, 5, 7, 6, 3, 2, 1, 0]);
  const order = channelOrder(normal(512).map(Math.abs), 256, 16);
  expect(new Set(order).size).toBe(512);
  for (let p = 0; p < 512; p += 16)
    expect(new Set(order.slice(p, p + 16).map((channel) => Math.floor(channel / 16))).size).toBe(1);
});

describe('Solver', () => {
  const n = 256;
  const rows = 70;
  const values = normal(rows * n).map((value) => 0.05 * value);
  const statistic = statisticOf(n);

  /** Weighted squared error of some blocks. */
  const squares = (bytes: Uint8Array, name: string, importance?: Float32Array): number => {
    const format = formatByName(name);
    const decoded = new Float32Array(values.length);
    format.decode(bytes, 0, decoded, 0, bytes.length / format.blockBytes);
    return values.reduce((sum, value, i) => sum + (importance?.[i % n] ?? 1) * (value - decoded[i]) ** 2, 0);
  };

  it.each([
    'Q4_0',
    'Q4_1',
    'Q5_0',
    'Q5_1',
    'IQ4_NL',
    'Q2_K',
    'Q3_K',
    'Q4_K',
    'Q5_K',
    'Q6_K',
    'IQ4_XS',
    'TQ2_0',
    'TQ1_0',
  ])('compensates errors in %s', async (name) => {
    const format = formatByName(name);
    const solver = await Solver.create();
    const { method, errors, bytes, notes } = solver.quantize(values, n, format, { statistic });
    expect(notes).toEqual([]);
    expect(method).toBe('obs');
    expect(errors.obs! / errors.weighted!).toBeLessThan(0.8);
    expect(errors.obs! / errors.plain!).toBeLessThan(0.8);
    const decoded = new Float32Array(values.length);
    format.decode(bytes, 0, decoded, 0, bytes.length / format.blockBytes);
    expect(decoded.every(Number.isFinite)).toBe(true);
    expect(solver.quantize(values, n, format, { statistic }).bytes).toEqual(bytes);
  });

  it.each(blockFormats.filter(({ codebook }) => codebook))('compensates errors in vectors of $name', async (format) => {
    // blocks and eights in another order than that of the channels
    const columns = 512;
    const statistic = statisticOf(columns);
    const values = normal(40 * columns);
    const solver = await Solver.create();
    const { method, errors, bytes, notes } = solver.quantize(values, columns, format, { statistic });
    expect(notes).toEqual([]);
    expect(method).toBe('obs');
    expect(errors.obs! / errors.weighted!).toBeLessThan(0.8);
    expect(errors.obs! / errors.plain!).toBeLessThan(0.8);
    expect(solver.quantize(values, columns, format, { statistic }).bytes).toEqual(bytes);
    solver.dispose();
  });

  it.each(blockFormats.filter(isSearched))('encodes $name as well as the format does', async (format) => {
    const matrices = await Matrices.create(2);
    for (const importance of [undefined, Float32Array.from({ length: n }, (_, i) => 1 + (i % 5) ** 3)]) {
      const own = squares(encodeRows(matrices, values, n, format, importance), format.name, importance);
      expect(own / squares(encode(values, n, format, importance), format.name, importance)).toBeCloseTo(1, 2);
    }
    matrices.dispose();
  });

  it('has the same bytes for any number of threads', async () => {
    const format = formatByName('Q3_K');
    const solve = async (threads: number) => {
      const solver = await Solver.create(threads);
      const { bytes } = solver.quantize(values, n, format, { statistic });
      solver.dispose();
      return bytes;
    };
    expect(await solve(1)).toEqual(await solve(2));
  });

  it.each(formatsWithZero)('keeps zeros in %s, at less error than without compensation', async (name) => {
    const columns = 256;
    const statistic = statisticOf(columns);
    const values = normal(48 * columns);
    for (let i = 0; i < values.length; i += 4) values.fill(0, i + 1, i + 3);
    const format = formatByName(name);
    const solver = await Solver.create();
    const zerosOf = (keepsZeros: boolean) => {
      const { bytes, errors } = solver.quantize(values, columns, format, { statistic }, { keepsZeros });
      const decoded = new Float32Array(values.length);
      format.decode(bytes, 0, decoded, 0, values.length / format.blockSize);
      return { errors, kept: decoded.filter((value, i) => value === 0 && values[i] === 0).length };
    };
    const kept = zerosOf(true);
    expect(kept.kept).toBe(values.length / 2);
    expect(kept.errors.obs).toBeLessThan(kept.errors.plain!);
    expect(zerosOf(false).kept).toBeLessThan(values.length / 2);
    solver.dispose();
  });

  it('keeps integers near their weights where a reach says so', async () => {
    const columns = 256;
    const statistic = statisticOf(columns);
    const values = normal(48 * columns);
    const format = formatByName('Q4_0');
    const solver = await Solver.create();
    /** Largest distance of an integer from its weight in steps, where the grid does not end before. */
    const farthest = (reach?: number): number => {
      const { bytes, method } = solver.quantize(values, columns, format, { statistic }, { reach });
      expect(method).toBe('obs');
      const decoded = new Float32Array(values.length);
      format.decode(bytes, 0, decoded, 0, values.length / 32);
      let most = 0;
      for (let i = 0; i < values.length; i++) {
        const step = readHalf(bytes, Math.floor(i / 32) * 18);
        const [place, chosen] = [values[i] / step, decoded[i] / step];
        if (place > -8 && place < 7) most = Math.max(most, Math.abs(place - chosen));
      }
      return most;
    };
    expect(farthest()).toBeGreaterThan(0.9);
    expect(farthest(0.75)).toBeLessThan(0.76);
    expect(farthest(0.75)).toBeGreaterThan(0.7);
    solver.dispose();
  });

  it('names dead channels and sets no store by them', async () => {
    const gram = statistic.gram.slice();
    for (const dead of [3, 200]) for (let i = 0; i < n; i++) gram[dead * n + i] = gram[i * n + dead] = 0;
    const solver = await Solver.create();
    const { method, notes } = solver.quantize(values, n, formatByName('Q4_0'), { statistic: { ...statistic, gram } });
    expect(method).toBe('obs');
    expect(notes).toEqual(['2 of 256 input channels were 0 in all calibration tokens']);
  });

  it.each(['Q4_0', 'IQ2_XXS'])(
    'does not depend on the scale of the inputs in %s, beside dead channels',
    async (name) => {
      const solver = await Solver.create();
      const errors = [1, 1e-6].map((scale) => {
        const [gram, heldOut] = [statistic.gram, statistic.heldOut].map((sums) => sums.map((value) => scale * value));
        for (let dead = 0; dead < n; dead += 10)
          for (let i = 0; i < n; i++) gram[dead * n + i] = gram[i * n + dead] = 0;
        for (let dead = 0; dead < n; dead += 10)
          for (let i = 0; i < n; i++) heldOut[dead * n + i] = heldOut[i * n + dead] = 0;
        return solver.quantize(values, n, formatByName(name), { statistic: { ...statistic, gram, heldOut } }).errors
          .obs!;
      }) as [number, number];
      expect(errors[1] / errors[0]).toBeGreaterThan(0.8);
      expect(errors[1] / errors[0]).toBeLessThan(1.25);
      solver.dispose();
    },
  );

  it('names a calibration that never fired', async () => {
    const gram = new Float32Array(n * n);
    const solver = await Solver.create();
    const { method, notes, bytes } = solver.quantize(values, n, formatByName('Q4_K'), {
      statistic: { ...statistic, gram },
    });
    expect(method).toBe('plain');
    expect(notes[0]).toMatch(/never fired/);
    expect(squares(bytes, 'Q4_K') / squares(encode(values, n, formatByName('Q4_K'), undefined), 'Q4_K')).toBeCloseTo(
      1,
      2,
    );
  });

  it('names a statistic that cannot be factorized, and goes on without compensation', async () => {
    const gram = statistic.gram.map((value, i) => (i % (n + 1) === 0 ? value : 100 * value));
    const solver = await Solver.create();
    const { method, notes } = solver.quantize(values, n, formatByName('Q4_0'), { statistic: { ...statistic, gram } });
    expect(method).not.toBe('obs');
    expect(notes[0]).toMatch(/not positive definite/);
  });

  it('keeps what is best on held-out data', async () => {
    // the held-out inputs have nothing in common with the others
    const heldOut = new Float32Array(n * n);
    for (let i = 0; i < n; i++) heldOut[i * n + i] = 1;
    const solver = await Solver.create();
    const { method, errors } = solver.quantize(values, n, formatByName('Q4_0'), {
      statistic: { ...statistic, heldOut },
    });
    expect(errors[method]).toBe(Math.min(...Object.values(errors)));
    expect(method).not.toBe('obs');
  });

  it('uses the importance of columns when that is all there is', async () => {
    const importance = Float32Array.from({ length: n }, (_, i) => 1 + (i % 5) ** 3);
    const solver = await Solver.create();
    const solved = solver.quantize(values, n, formatByName('Q4_K'), { importance });
    expect(solved.method).toBe('weighted');
    const expected = encode(values, n, formatByName('Q4_K'), importance);
    expect(squares(solved.bytes, 'Q4_K', importance) / squares(expected, 'Q4_K', importance)).toBeCloseTo(1, 2);
  });
});
