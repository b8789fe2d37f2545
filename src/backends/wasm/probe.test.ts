import { describe, expect, it } from 'vitest';
import { EspalierError } from '../../core/errors.ts';
import { seededRandom } from '../../core/random.ts';
import { formatByName } from '../../tensor/formats.ts';
import { CONTROL, FIRST_FREE } from './control.ts';
import { instantiate } from './instantiate.ts';
import { type KernelModules, kernelModules, variants } from './module.ts';
import { Probe } from './probe.ts';

const modules: KernelModules[] = [];
for (const variant of variants) {
  try {
    modules.push(await kernelModules(variant, ['probing']));
  } catch (error) {
    if (!(error instanceof EspalierError)) throw error;
    console.log(`skipped: ${variant}: ${error.message}`);
  }
}

/** Runs a kernel of kernels/probing/peaks.ts on one thread. @returns its result, 128 bytes */
function run(kernels: KernelModules, name: string, data: Uint8Array, amount: number): DataView {
  const memory = new WebAssembly.Memory({ initial: 3, maximum: 3, shared: true });
  const exports = instantiate(kernels, memory);
  const [command, results, from] = [CONTROL, FIRST_FREE, FIRST_FREE + 128];
  new Uint8Array(memory.buffer, from, data.length).set(data);
  new Uint32Array(memory.buffer, command, 5).set([kernels.indices.get(name)!, 1, from, amount, results]);
  exports[name](command, 0, 1);
  return new DataView(memory.buffer, results, 128);
}

describe.each(modules)('the probe kernels of $variant', (kernels) => {
  it('reads all of the memory', () => {
    const random = seededRandom(1);
    const data = Uint8Array.from({ length: 5 * 128 }, () => random.integer(256));
    const read = run(kernels, 'readMemory', data, data.length);
    for (let byte = 0; byte < 16; byte++) {
      const expected = data.filter((_, i) => i % 16 === byte).reduce((all, value) => all ^ value);
      expect(read.getUint8(byte)).toBe(expected);
    }
  });

  // all operand bytes are 1: 128 steps per pass, so that the sums of 3 passes fit into 16 bits
  const steps = 3 * 128;
  const ones = new Uint8Array(4096).fill(1);

  it('adds the counted number of int8 products', () => {
    const sums = run(kernels, 'peak_int8', ones, 3);
    for (let sum = 0; sum < 128; sum += 16) {
      let total = 0;
      const width = kernels.variant === 'relaxed-i32' ? 4 : 2;
      for (let at = 0; at < 16; at += width)
        total += width === 4 ? sums.getInt32(sum + at, true) : sums.getInt16(sum + at, true);
      expect(total).toBe(16 * steps);
    }
  });

  it('adds the counted number of int16 products', () => {
    const sums = run(kernels, 'peak_int16', ones, 3);
    for (let at = 0; at < 128; at += 4) expect(sums.getInt32(at, true)).toBe(2 * 257 ** 2 * steps);
  });

  it('adds the counted number of float products', () => {
    const twos = new Uint8Array(Float32Array.from({ length: 1024 }, () => 2).buffer);
    const sums = run(kernels, 'peak_floats', twos, 3);
    for (let at = 0; at < 128; at += 4) expect(sums.getFloat32(at, true)).toBe(4 * steps);
  });
});

describe('a probe', () => {
  it('returns rates, and the properties of a format', async () => {
    const probe = await Probe.start({ threads: 2, bytes: 2 ** 20 });
    const rates = [probe.readMemory(), ...(['int8', 'int16', 'floats'] as const).map((one) => probe.addProducts(one))];
    for (const rate of rates) expect(rate).toBeGreaterThan(0);
    const { arithmetic, packedBytes } = probe.kernelsOf(formatByName('Q4_0'));
    expect(arithmetic).toBe('int8');
    // 9 rows take two groups of 8
    expect([packedBytes(8, 64), packedBytes(9, 64)]).toEqual([8 * 36, 16 * 36]);
    expect(probe.kernelsOf(formatByName('Q8_0')).arithmetic).toBe('int16');
    expect(probe.kernelsOf(formatByName('F16')).arithmetic).toBe('floats');
    probe.dispose();
  });

  it('rejects an unknown variant', async () => {
    await expect(Probe.start({ variant: 'fast', bytes: 2 ** 20 })).rejects.toThrow(
      /^variant is fast, expected relaxed-i16/,
    );
  });
});
