/** Quantizes tiny models: what is written, what is refused, and that nothing is half-written. */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { gardenText, makeModel, writeHuggingFaceModel } from '../../scripts/models/index.ts';
import { openCheckpoint } from '../formats/open.ts';
import { tensorValues } from '../formats/tensorValues.ts';
import { evaluateText } from '../runtime/evaluateText.ts';
import { load } from '../runtime/load.ts';
import { compare } from './compare.ts';
import { readImatrix, writeImatrix } from './imatrix.ts';
import { measureImportance } from './measureImportance.ts';
import { type QuantizeOptions, quantize } from './quantize.ts';
import { sampleText } from './sampleText.ts';
import { Solver } from './solver.ts';

const folder = mkdtempSync(join(tmpdir(), 'espalier-compress-'));
const path = (name: string) => join(folder, name);
const source = path('source.gguf');
const calibration = { text: gardenText, window: 64, windows: 16 };

beforeAll(async () => {
  writeFileSync(source, await makeModel({ architecture: 'llama', format: 'F32' }));
});
afterAll(() => rmSync(folder, { recursive: true }));

const files = () => readdirSync(folder).sort();
const run = (output: string, options: Partial<QuantizeOptions> = {}) =>
  quantize(source, path(output), { type: 'Q4_0', ...options });

describe('quantize', () => {
  it('compensates with a calibration text: less divergence at the same bytes', async () => {
    const plain = await run('plain.gguf');
    const solved = await run('solved.gguf', { calibration, tensorTypes: [['ffn_down', 'q4_0']] });
    expect(plain.tensors.filter(({ method }) => method === 'plain').length).toBeGreaterThan(10);
    expect(solved.tensors.filter(({ method }) => method === 'obs').length).toBeGreaterThan(10);
    expect(solved.bytes).toBe(plain.bytes);
    const text = gardenText.slice(0, 2000);
    const [, a, b] = await compare(source, [path('plain.gguf'), path('solved.gguf')], {
      text,
      exact: true,
      speed: false,
    });
    expect(b.kld!.mean).toBeLessThan(0.7 * a.kld!.mean);
    expect(b.isOnFront).toBe(true);
    expect(a.isOnFront).toBe(false);
  });

  it.each([
    [2, 'weighted'],
    [4, 'obs'],
    [7, 'obs'],
  ])('uses a text of %i windows, too', async (windows, method) => {
    const { tensors } = await run('short.gguf', { calibration: { ...calibration, windows } });
    expect(tensors.map((tensor) => tensor.method)).toContain(method);
    const judged = tensors.filter(({ errors }) => errors?.plain !== undefined);
    expect(judged.length).toBeGreaterThan(10);
    for (const { errors } of judged) expect(Math.min(...Object.values(errors!))).toBeGreaterThan(0);
    rmSync(path('short.gguf'));
  });

  it('writes the same bytes again', async () => {
    await run('again.gguf', { calibration, tensorTypes: [['ffn_down', 'q4_0']], threads: 2 });
    expect(readFileSync(path('again.gguf')).equals(readFileSync(path('solved.gguf')))).toBe(true);
  });

  it('keeps all other tensors and the metadata', async () => {
    const [before, after] = [await openCheckpoint(source), await openCheckpoint(path('solved.gguf'))];
    expect([...after.tensors.keys()].sort()).toEqual([...before.tensors.keys()].sort());
    for (const [key, value] of before.metadata)
      if (!key.startsWith('general.')) expect(after.metadata.get(key)).toEqual(value);
    expect(after.metadata.get('general.file_type')).toBe(2);
    for (const [name, tensor] of before.tensors)
      if (tensor.shape.length === 1)
        expect(await tensorValues(after.tensors.get(name)!)).toEqual(await tensorValues(tensor));
    await before.close();
    await after.close();
  });

  it('plans without writing', async () => {
    const found = files();
    const { bytes, tensors, memoryBytes } = await run('dry.gguf', { dryRun: true, calibration });
    expect(tensors.every(({ method }) => method === undefined)).toBe(true);
    expect(bytes).toBeGreaterThan(1000);
    expect(memoryBytes).toBeGreaterThan(bytes);
    expect(files()).toEqual(found);
  });

  it('continues where it was interrupted, and writes the same bytes', async () => {
    const found = files();
    const options = { calibration, tensorTypes: [['ffn_down', 'q4_0']] as const };
    for (const place of ['blk.0', 'blk.1', 'output_norm']) {
      const controller = new AbortController();
      const solved: string[] = [];
      const onProgress = ({ item }: { item?: string }) => {
        if (item?.startsWith(place)) controller.abort(new Error('enough'));
      };
      const interrupted = run('resumed.gguf', { ...options, signal: controller.signal, onProgress });
      await expect(interrupted).rejects.toThrow('enough');
      const left = files().filter((name) => !found.includes(name));
      expect(left).not.toContain('resumed.gguf');
      expect(left.every((name) => name.startsWith('resumed.gguf.solved.'))).toBe(true);
      solved.push(...left.filter((name) => name.includes('.tensor.')));
      if (place !== 'blk.0') expect(solved.length).toBeGreaterThan(3);
    }
    await run('resumed.gguf', options);
    expect(readFileSync(path('resumed.gguf')).equals(readFileSync(path('solved.gguf')))).toBe(true);
    expect(files()).toEqual([...found, 'resumed.gguf'].sort());
  });

  it.skipIf(!existsSync('/dev/full'))('continues after the disk was full', async () => {
    const found = files();
    const options = { calibration, tensorTypes: [['ffn_down', 'q4_0']] as const };
    // every write to these fails with ENOSPC: what is solved, then the model
    for (const file of ['full.gguf.solved.activations.2', 'full.gguf']) {
      symlinkSync('/dev/full', path(`${file}.partial`));
      await expect(run('full.gguf', options)).rejects.toThrow(/the disk is full; free some space and resume/);
      const left = files().filter((name) => !found.includes(name));
      expect(left.filter((name) => name.startsWith('full.gguf.solved.tensor.blk.1')).length).toBeGreaterThan(3);
      expect(left).not.toContain('full.gguf');
    }
    await run('full.gguf', options);
    expect(readFileSync(path('full.gguf')).equals(readFileSync(path('solved.gguf')))).toBe(true);
    rmSync(path('full.gguf'));
    expect(files()).toEqual(found);
  });

  it('ends its threads if what it has kept cannot be read', async () => {
    const create = vi.spyOn(Solver, 'create');
    mkdirSync(path('folder.gguf.solved.key'));
    await expect(run('folder.gguf', { calibration })).rejects.toThrow(/solved\.key: is not a file/);
    rmdirSync(path('folder.gguf.solved.key'));
    expect(create).not.toHaveBeenCalled();
    create.mockRestore();
  });

  it('removes what an interrupted run with other options has kept for the same output', async () => {
    for (const kept of ['budget.json', 'solved.key']) writeFileSync(path(`other.gguf.${kept}`), '{}');
    await run('other.gguf');
    expect(files().filter((name) => name.startsWith('other'))).toEqual(['other.gguf']);
    rmSync(path('other.gguf'));
  });

  it('is calibrated by a text that the model writes', async () => {
    const text = await sampleText(source, { window: 32, windows: 4, threads: 1 });
    expect(await sampleText(source, { window: 32, windows: 4, threads: 2 })).toBe(text);
    expect(await sampleText(source, { window: 32, windows: 4, seed: 9 })).not.toBe(text);
    const { tensors } = await run('self.gguf', { calibration: { text, window: 16 } });
    expect(tensors.some(({ method }) => method === 'obs')).toBe(true);
    rmSync(path('self.gguf'));
  });

  it('does not continue a run with another text', async () => {
    const stop = async (text: string) => {
      const controller = new AbortController();
      const onProgress = ({ item }: { item?: string }) => {
        if (item?.startsWith('blk.1')) controller.abort(new Error('enough'));
      };
      const options = { calibration: { ...calibration, text }, signal: controller.signal, onProgress };
      await expect(run('other.gguf', options)).rejects.toThrow('enough');
      return readFileSync(path('other.gguf.solved.key'), 'utf8');
    };
    expect(await stop(gardenText)).not.toBe(await stop(gardenText.slice(500)));
    await run('other.gguf', { calibration });
    expect(files().some((name) => name.startsWith('other.gguf.solved'))).toBe(false);
  });

  it('keeps an existing file when it fails', async () => {
    writeFileSync(path('old.gguf'), 'old');
    const bad = await makeModel({ architecture: 'llama', format: 'F32' });
    const checkpoint = await openCheckpoint(bad);
    const tensor = checkpoint.tensors.get('blk.1.ffn_up.weight') as unknown as { offset: number };
    new DataView(bad.buffer, bad.byteOffset).setFloat32(tensor.offset + 4, Number.NaN, true);
    await expect(quantize(bad, path('old.gguf'), { type: 'Q4_0' })).rejects.toThrow(
      /blk\.1\.ffn_up\.weight has NaN in row 0, column 1, expected finite numbers/,
    );
    expect(readFileSync(path('old.gguf'), 'utf8')).toBe('old');
    expect(files().some((name) => name.endsWith('.partial'))).toBe(false);
  });

  it.each(['token_embd.weight', 'blk.1.attn_norm.weight', 'blk.0.ffn_down.weight'])(
    'names NaN in %s, not the calibration text',
    async (name) => {
      const bad = await makeModel({ architecture: 'llama', format: 'F32' });
      const tensor = (await openCheckpoint(bad)).tensors.get(name) as unknown as { offset: number };
      new DataView(bad.buffer, bad.byteOffset).setFloat32(tensor.offset + 4, Number.NaN, true);
      await expect(quantize(bad, path('nan.gguf'), { type: 'Q4_0', calibration })).rejects.toThrow(
        `${name} has NaN in row 0, column 1, expected finite numbers`,
      );
      expect(files().some((file) => file.startsWith('nan.gguf'))).toBe(false);
    },
  );

  it.each([
    [
      'a text that is too short',
      { calibration: { text: 'A tree.', window: 64 } },
      /the calibration text is \d+ tokens long, expected at least 2 windows of 64/,
    ],
    ...[0, -4, 2.5, 1, Number.NaN].flatMap((count): [string, QuantizeOptions, RegExp][] => [
      [`windows of ${count} tokens`, { calibration: { text: 'A', window: count } }, /^window is .*whole number from 2/],
      [`${count} windows`, { calibration: { text: 'A', windows: count } }, /^windows is .*whole number from 2/],
    ]),
    ['a type that does not exist', { type: 'Q4_Z' }, /Q4_Z is not supported; supported: .*Q4_K_M/],
    [
      'a pattern that is none',
      { tensorTypes: [['(', 'q4_0']] },
      /tensorTypes is \(, expected a valid regular expression/,
    ],
    ['a format that does not exist', { tensorTypes: [['ffn', 'q44']] }, /Q44/],
    ['two sources of importance', { calibration, imatrix: 'x' }, /use one of them/],
    ['an importance matrix that is none', { imatrix: source }, /is not an importance matrix/],
  ] as [string, Partial<QuantizeOptions>, RegExp][])('refuses %s', async (_, options, message) => {
    await expect(run('refused.gguf', options)).rejects.toThrow(message);
    expect(files()).not.toContain('refused.gguf');
  });

  it('quantizes a quantized source only when it is allowed', async () => {
    const again = { type: 'Q5_0' };
    await expect(quantize(path('solved.gguf'), path('q5.gguf'), again)).rejects.toThrow(
      /is Q4_0, expected F32, F16 or BF16.*--allow-requantize/,
    );
    await quantize(path('solved.gguf'), path('q5.gguf'), { ...again, allowRequantize: true });
    const model = await load(path('q5.gguf'));
    expect((await evaluateText(model, gardenText.slice(0, 1500), { all: true })).perplexity).toBeGreaterThan(1);
    model.dispose();
  });

  it('reads Hugging Face folders, whose half-float vectors become F32', async () => {
    await writeHuggingFaceModel(path('folder'), { architecture: 'smollm2', format: 'BF16' });
    const { tensors } = await quantize(path('folder'), path('folder.gguf'), { type: 'Q8_0', calibration });
    expect(tensors.find(({ name }) => name === 'blk.0.attn_norm.weight')).toMatchObject({
      from: 'BF16',
      format: 'F32',
    });
    expect(tensors.find(({ name }) => name === 'blk.0.attn_q.weight')).toMatchObject({ from: 'BF16', format: 'Q8_0' });
    const text = gardenText.slice(0, 1500);
    const [, row] = await compare(path('folder'), [path('folder.gguf')], { text, exact: true, speed: false });
    expect(row.kld!.mean).toBeLessThan(1e-3);
  });

  it('refuses to overwrite its source', async () => {
    await expect(quantize(source, source, { type: 'Q4_0' })).rejects.toThrow(/another file than the source/);
  });
});

describe('an importance matrix', () => {
  it('is measured, written, read and used', async () => {
    const measured = await measureImportance(source, { ...calibration, textName: 'garden.txt' });
    await writeImatrix(path('imatrix.gguf'), measured);
    const read = await readImatrix(path('imatrix.gguf'));
    expect(read).toEqual(measured);
    expect(read.texts).toEqual(['garden.txt']);
    expect([...read.entries.keys()]).toContain('blk.0.attn_q.weight');
    expect([...read.entries.keys()]).not.toContain('output.weight');
    const { tensors } = await run('weighted.gguf', { imatrix: path('imatrix.gguf') });
    expect(tensors.find(({ name }) => name === 'blk.0.attn_q.weight')?.method).toBe('weighted');
  });

  it('has the output matrix if it is asked for', async () => {
    const { entries } = await measureImportance(source, { ...calibration, processOutput: true });
    expect(entries.has('output.weight') || entries.has('token_embd.weight')).toBe(true);
  });

  it('without an entry for a tensor leaves a note; with entries for none it is refused', async () => {
    const { entries, ...rest } = await readImatrix(path('imatrix.gguf'));
    const lacking = new Map([...entries].filter(([name]) => name !== 'blk.1.ffn_up.weight'));
    await writeImatrix(path('lacking.gguf'), { ...rest, entries: lacking });
    const { tensors } = await run('lacking-out.gguf', { imatrix: path('lacking.gguf'), pure: true });
    const noted = tensors.filter(({ notes }) => notes?.includes('the importance matrix has no entry for it'));
    expect(noted.map(({ name, method }) => `${name} ${method}`)).toContain('blk.1.ffn_up.weight plain');
    expect(noted.map(({ name }) => name)).not.toContain('blk.0.ffn_up.weight');
    await writeImatrix(path('foreign.gguf'), {
      ...rest,
      entries: new Map([...entries].map(([name, entry]) => [`model.${name}`, entry])),
    });
    await expect(run('refused.gguf', { imatrix: path('foreign.gguf') })).rejects.toThrow(
      /foreign\.gguf: has no entry for any tensor of .*source\.gguf, but for model\./,
    );
  });

  it('of another model is refused', async () => {
    const { entries, ...rest } = await readImatrix(path('imatrix.gguf'));
    const other = new Map([...entries].map(([name, { tokens }]) => [name, { squares: new Float32Array(17), tokens }]));
    await writeImatrix(path('other.gguf'), { ...rest, entries: other });
    await expect(run('refused.gguf', { imatrix: path('other.gguf') })).rejects.toThrow(
      /the importance matrix has 17: it is of another model/,
    );
  });
});
