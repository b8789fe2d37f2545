/** Quantizes tiny models: what is written, what is refused, and that nothing is half-written. */
import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { gardenText, makeModel, writeHuggingFaceModel } from '../../scripts/models/index.ts';
import { openCheckpoint } from '../formats/open.ts';
import { tensorValues } from '../formats/tensorValues.ts';
import { evaluateText } from '../runtime/evaluateText.ts';
import { load } from '../runtime/load.ts';
import { makeCard, textFacts, writeCard } from './card/card.ts';
import { compare } from './compare.ts';
import { readImatrix, writeImatrix } from './imatrix.ts';
import { measureImportance } from './measureImportance.ts';
import { type QuantizeOptions, quantize } from './quantize.ts';
import { sampleText } from './sampleText.ts';

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

describe('a budget', () => {
  const calibration = { text: gardenText, window: 64, windows: 4 };

  it('gives a better model in at most the bytes of a type', async () => {
    const stages = new Set<string>();
    const onProgress = ({ stage }: { stage: string }) => stages.add(stage);
    const like = await run('like.gguf', { type: undefined, like: 'Q4_0', generations: 2, calibration, onProgress });
    expect(stages).toContain('evolution');
    const plain = await run('q4.gguf', { calibration });
    expect(like.bytes).toBeLessThanOrEqual(plain.bytes);
    const text = gardenText.slice(0, 2000);
    const [, a, b] = await compare(source, [path('q4.gguf'), path('like.gguf')], { text, exact: true, speed: false });
    expect(b.kld!.mean).toBeLessThan(a.kld!.mean);
  });

  it('holds for the whole file', async () => {
    await run('bytes.gguf', { type: undefined, maxBytes: 560_000, generations: 0, calibration });
    expect(statSync(path('bytes.gguf')).size).toBeLessThanOrEqual(560_000);
    const { bitsPerWeight } = await run('bits.gguf', { type: undefined, targetBits: 5.5, generations: 0, calibration });
    expect(bitsPerWeight).toBeLessThanOrEqual(5.5);
    expect(bitsPerWeight).toBeGreaterThan(5.2);
  });

  it('keeps the formats that options name', async () => {
    const named = { tensorTypes: [['blk.1.ffn_up', 'q8_0']] as const, outputTensorType: 'q5_1' };
    const options = { type: undefined, targetBits: 6, generations: 1, calibration, ...named };
    const { tensors, bitsPerWeight } = await run('named.gguf', options);
    const formats = new Map(tensors.map(({ name, format }) => [name, format]));
    expect(formats.get('blk.1.ffn_up.weight')).toBe('Q8_0');
    expect(formats.get('output.weight')).toBe('Q5_1');
    expect(new Set(formats.values()).size).toBeGreaterThan(3);
    expect(bitsPerWeight).toBeLessThanOrEqual(6);
    rmSync(path('named.gguf'));
  });

  it('is planned without measuring', async () => {
    const stages: string[] = [];
    const onProgress = ({ stage }: { stage: string }) => stages.push(stage);
    const options = { type: undefined, targetBits: 5.5, calibration, dryRun: true, onProgress };
    const { bitsPerWeight, memoryBytes } = await run('planned.gguf', options);
    expect(stages).toEqual([]);
    expect(bitsPerWeight).toBeLessThanOrEqual(5.5);
    expect(bitsPerWeight).toBeGreaterThan(5.2);
    // the search has the whole model in F32
    expect(memoryBytes).toBeGreaterThan(statSync(source).size);
  });

  it('continues a search that was interrupted, and chooses the same formats', async () => {
    const found = files();
    const options = { type: undefined, targetBits: 5.5, generations: 2, calibration };
    for (const [stage, item] of [
      ['sensitivities', 'blk.1'],
      ['evolution', ''],
      ['quantize', ''],
    ] as const) {
      const controller = new AbortController();
      const onProgress = (each: { stage: string; item?: string }) => {
        if (each.stage === stage && each.item?.startsWith(item)) controller.abort(new Error('enough'));
      };
      const interrupted = run('search.gguf', { ...options, signal: controller.signal, onProgress });
      await expect(interrupted).rejects.toThrow('enough');
      expect(files()).toContain('search.gguf.budget.json');
      expect(files()).not.toContain('search.gguf');
    }
    const stages = new Set<string>();
    await run('search.gguf', { ...options, onProgress: ({ stage }) => stages.add(stage) });
    expect([...stages]).toEqual(['quantize']);
    await run('whole.gguf', options);
    expect(readFileSync(path('search.gguf')).equals(readFileSync(path('whole.gguf')))).toBe(true);
    for (const name of ['search.gguf', 'whole.gguf']) rmSync(path(name));
    expect(files()).toEqual(found);
  });

  it.each([
    ['bits that are too few', { targetBits: 2 }, /targetBits is 2, expected at least \d\.\d+ bits per weight/],
    ['bytes that are too few', { maxBytes: 100_000 }, /maxBytes is 100000, expected at least \d+ bytes/],
    ['one with pure', { targetBits: 5, pure: true }, /pure is true/],
    [
      'one beside a type',
      { type: 'Q4_0', targetBits: 4 },
      /expected exactly one of type, targetBits, maxBytes and like/,
    ],
    ['neither', {}, /type is missing, expected exactly one/],
    ['one without a text', { targetBits: 5, calibration: undefined }, /calibration is missing, expected a text/],
    ['nonsense', { maxBytes: -1 }, /maxBytes is -1/],
    ['generations beside a type', { type: 'Q4_0', generations: 3 }, /generations is given beside type Q4_0/],
    ['half a generation', { targetBits: 5, generations: 0.5 }, /generations is 0.5/],
  ] as [string, Partial<QuantizeOptions>, RegExp][])('refuses %s', async (_, options, message) => {
    await expect(run('refused.gguf', { type: undefined, calibration, ...options })).rejects.toThrow(message);
  });
});

describe('a card', () => {
  it('has what was lost, the texts of both models, and what makes it again', async () => {
    const result = await run('card.gguf', { calibration });
    const text = gardenText.slice(0, 3000);
    const options = {
      source,
      model: path('card.gguf'),
      stages: [{ name: 'quantize', result }],
      text,
      textName: 'garden.txt',
      maxTokens: 400,
    };
    const card = await makeCard({
      ...options,
      recipe: { type: 'Q4_0', like: undefined, calibration: textFacts('garden.txt', gardenText) },
    });
    expect(card.quality.model.kld!.mean).toBeGreaterThan(0);
    expect(card.prompts).toHaveLength(20);
    expect(card.model.sha256).toBe(
      createHash('sha256')
        .update(readFileSync(path('card.gguf')))
        .digest('hex'),
    );
    const [json, html] = await writeCard(card, path('card.gguf'));
    expect(JSON.parse(readFileSync(json, 'utf8'))).toEqual(JSON.parse(JSON.stringify(card)));
    const page = readFileSync(html, 'utf8');
    for (const part of [
      'blk.0.attn_q.weight',
      'garden.txt',
      card.model.sha256,
      'obs',
      'weighted',
      'the format of Q4_0',
    ])
      expect(page).toContain(part);
    expect(page).not.toMatch(/<script/);
  });
});

it('a card refuses a model of another vocabulary', async () => {
  const dimensions = { vocabulary: 384 };
  writeFileSync(path('other-words.gguf'), await makeModel({ architecture: 'llama', format: 'F32', dimensions }));
  const options = { source, model: path('other-words.gguf'), stages: [], recipe: {}, text: gardenText, textName: 'a' };
  await expect(makeCard(options)).rejects.toThrow(/vocabulary of the reference model is \d+, expected \d+/);
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
