import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { gardenText, makeModel } from '../../../scripts/models/index.ts';
import { openCheckpoint } from '../../formats/open.ts';
import { tensorValues } from '../../formats/tensorValues.ts';
import { dropLayers } from '../prune/dropLayers.ts';
import { quantize } from '../quantize.ts';
import { tune } from '../tune/tune.ts';
import type { StagePlan } from './planStage.ts';
import { typeOfBits } from './rotateIfBetter.ts';
import { shape } from './shape.ts';

const folder = mkdtempSync(join(tmpdir(), 'espalier-shape-'));
const path = (name: string) => join(folder, name);
const recipe = {
  source: 'source.gguf',
  output: 'out.gguf',
  calibration: { text: 'garden.txt', window: 32, windows: 16 },
  card: { text: 'held-out.txt', maxTokens: 200 },
  stages: [{ prune: { sparsity: 0.3 } }, { quantize: { type: 'Q5_0' } }, { tune: { steps: 3 } }],
};
const write = (name: string, value: object) => writeFileSync(path(name), JSON.stringify(value));

/** Share of the groups of four weights with at least two zeros, in the blocks' matrices. */
async function groupsWithZeros(file: string): Promise<number> {
  const checkpoint = await openCheckpoint(file);
  let [groups, found] = [0, 0];
  for (const tensor of checkpoint.tensors.values()) {
    if (!tensor.name.startsWith('blk.') || tensor.shape.length < 2) continue;
    const values = await tensorValues(tensor);
    for (let i = 0; i < values.length; i += 4, groups++)
      if (values.slice(i, i + 4).filter((value) => value === 0).length >= 2) found++;
  }
  await checkpoint.close();
  return found / groups;
}

beforeAll(async () => {
  writeFileSync(path('source.gguf'), await makeModel({ architecture: 'llama', format: 'F32' }));
  writeFileSync(path('garden.txt'), gardenText);
  writeFileSync(path('held-out.txt'), gardenText.slice(300));
  write('recipe.json', recipe);
});
afterAll(() => rmSync(folder, { recursive: true }));

describe('shape', () => {
  it('runs the stages, writes the model and its card, and leaves nothing else', async () => {
    const { stages, card, cardFiles } = await shape(path('recipe.json'));
    expect(stages.map(({ name }) => name)).toEqual(['prune', 'quantize', 'tune']);
    expect(stages.every(({ result }) => result)).toBe(true);
    expect(card!.quality.model.kld!.mean).toBeGreaterThan(0);
    expect(card!.stages.map(({ name }) => name)).toEqual(['prune', 'quantize', 'tune']);
    expect(card!.stages[2].result).toMatchObject({ before: expect.any(Number), after: expect.any(Number) });
    const page = readFileSync(cardFiles.find((file) => file.endsWith('.html'))!, 'utf8');
    for (const part of ['prune: method', 'tune: before', 'the format of Q5_0']) expect(page).toContain(part);
    for (const file of [path('out.gguf'), ...cardFiles]) expect(existsSync(file)).toBe(true);
    expect(readdirSync(path('out.gguf.stages'))).toEqual([]);
  });

  it('continues where it was interrupted, with the same result', async () => {
    const controller = new AbortController();
    write('again.json', { ...recipe, output: 'again.gguf' });
    const onStage = (name: string) => {
      if (name === 'tune') controller.abort(new Error('enough'));
    };
    await expect(shape(path('again.json'), { signal: controller.signal, onStage })).rejects.toThrow('enough');
    expect(existsSync(path('again.gguf'))).toBe(false);
    const states: string[] = [];
    const { card } = await shape(path('again.json'), { onStage: (name, state) => states.push(`${name} ${state}`) });
    expect(card!.result!.tensors.length).toBeGreaterThan(10);
    expect(states).toEqual(['prune was done before', 'quantize was done before', 'tune runs']);
    expect(readFileSync(path('again.gguf')).equals(readFileSync(path('out.gguf')))).toBe(true);
  });

  it('narrows a model and recovers it by distillation, also where that was interrupted', async () => {
    const stages = [{ narrow: { keep: 0.75 } }, { distill: { steps: 6, sequence: 32, batch: 2 } }];
    write('narrow.json', { ...recipe, output: 'narrow.gguf', card: undefined, stages });
    const controller = new AbortController();
    const onProgress = ({ stage, done }: { stage: string; done: number }) => {
      if (stage === 'distill' && done === 3) controller.abort(new Error('enough'));
    };
    await expect(shape(path('narrow.json'), { signal: controller.signal, onProgress })).rejects.toThrow('enough');
    expect(readdirSync(path('narrow.gguf.training')).some((name) => name.endsWith('.safetensors'))).toBe(true);
    const steps: number[] = [];
    const { stages: done } = await shape(path('narrow.json'), {
      onProgress: (each) => each.stage === 'distill' && steps.push(each.done),
    });
    expect(done.map(({ name }) => name)).toEqual(['narrow', 'distill']);
    expect(done[0].result).toMatchObject({ neurons: [512, 384] });
    expect(Math.min(...steps)).toBeGreaterThan(1);
    const first = readFileSync(path('narrow.gguf'));
    expect(first.length).toBeLessThan(readFileSync(path('source.gguf')).length);
    expect(readdirSync(path('narrow.gguf.training'))).toEqual([]);
    await shape(path('narrow.json'));
    expect(readFileSync(path('narrow.gguf')).equals(first)).toBe(true);
  });

  it('keeps the zeros of pruned weights in all later stages', async () => {
    const stages = [
      { prune: { pattern: '2:4' } },
      { distill: { steps: 3, sequence: 32, batch: 2 } },
      { quantize: { type: 'Q4_0', pure: true } },
      { tune: { train: 'weights', steps: 3 } },
    ];
    write('zeros.json', { ...recipe, output: 'zeros.gguf', card: undefined, stages });
    const controller = new AbortController();
    const onStage = (name: string) => {
      if (name === 'tune') controller.abort(new Error('enough'));
    };
    await expect(shape(path('zeros.json'), { signal: controller.signal, onStage })).rejects.toThrow('enough');
    const kept = readdirSync(path('zeros.gguf.stages')).filter((name) => name.endsWith('.gguf'));
    expect(kept).toHaveLength(3);
    await shape(path('zeros.json'));
    expect(await groupsWithZeros(path('zeros.gguf'))).toBe(1);
  });

  it.each([
    [{ rotate: {} }, /the stage rotate after prune/],
    [{ narrow: { keep: 0.5 } }, /the stage narrow after prune/],
    [{ quantize: { type: 'Q4_K_M' } }, /keepZeros is true, expected false, or one of .*Q4_K cannot keep zeros: .*Q4_0/],
  ])('refuses %o where it would fill the zeros of pruned weights', async (stage, message) => {
    write('filled.json', {
      ...recipe,
      output: 'f.gguf',
      card: undefined,
      stages: [{ prune: { sparsity: 0.3 } }, stage],
    });
    await expect(shape(path('filled.json'), { dryRun: true })).rejects.toThrow(message);
  });

  it('tunes the weights that a stage quantized, not those of the source', async () => {
    const stages = [
      { dropLayers: { layers: [0] } },
      { quantize: { type: 'Q2_K', pure: true } },
      { tune: { train: 'weights', steps: 3 } },
    ];
    write('dropped.json', { ...recipe, output: 'dropped-out.gguf', card: undefined, stages });
    const { stages: done } = await shape(path('dropped.json'));
    const [source, dropped, low, tuned] = ['source', 'dropped', 'low', 'tuned'].map((name) => path(`${name}.gguf`)) as [
      string,
      string,
      string,
      string,
    ];
    await dropLayers(source, dropped, { layers: [0] });
    const text = gardenText;
    await quantize(dropped, low, { type: 'Q2_K', pure: true, calibration: { ...recipe.calibration, text } });
    const options = { text, window: 32, train: 'weights', steps: 3 } as const;
    const { after } = await tune(source, low, tuned, { ...options, original: dropped });
    expect(done[2].result).toMatchObject({ after });
    await expect(tune(source, low, tuned, options)).rejects.toThrow(
      /tensor blk\.1\.\S+ of .*source\.gguf is .*, expected absent as in .*original is the file/,
    );
  });

  it('calibrates and trains on a file and on a text that the source writes', async () => {
    const calibration = { ...recipe.calibration, text: ['garden.txt', 'self'] };
    const stages = [
      { dropLayers: { layers: 'auto', maxDivergence: 1e3 } },
      { distill: { steps: 2, sequence: 16, batch: 2 } },
    ];
    write('self.json', { ...recipe, output: 'self.gguf', calibration, card: undefined, stages });
    const { stages: done } = await shape(path('self.json'));
    expect(done.map(({ name }) => name)).toEqual(['dropLayers', 'distill']);
    expect(readdirSync(path('self.gguf.stages'))).toEqual([]);
  });

  it('does not continue with another source under the same name', async () => {
    const own = { ...recipe, source: 'changing.gguf', output: 'changing-out.gguf', card: undefined };
    write('changing.json', {
      ...own,
      stages: [{ quantize: { type: 'Q5_0', calibrate: false } }, { tune: { steps: 3 } }],
    });
    const states: string[] = [];
    for (const seed of [1, 2]) {
      writeFileSync(path('changing.gguf'), await makeModel({ architecture: 'llama', format: 'F32', seed }));
      const controller = new AbortController();
      const onStage = (name: string, state: string) => {
        states.push(`${name} ${state}`);
        if (name === 'tune') controller.abort(new Error('enough'));
      };
      await expect(shape(path('changing.json'), { signal: controller.signal, onStage })).rejects.toThrow('enough');
    }
    expect(states).toEqual(['quantize runs', 'tune runs', 'quantize runs', 'tune runs']);
  });

  it('names the text that a stage lacks', async () => {
    for (const stage of [{ narrow: { keep: 0.5 } }, { distill: { steps: 3 } }, { tune: {} }]) {
      write('wrong.json', {
        ...recipe,
        output: 'wrong.gguf',
        card: undefined,
        calibration: undefined,
        stages: [stage],
      });
      await expect(shape(path('wrong.json'))).rejects.toThrow(/calibration is missing, expected a text/);
    }
  });

  it('writes a card of a model that is not quantized', async () => {
    write('pruned.json', { ...recipe, output: 'pruned.gguf', stages: [{ prune: { sparsity: 0.3 } }] });
    const { card, cardFiles } = await shape(path('pruned.json'));
    expect(card!.result).toBeUndefined();
    expect(card!.stages[0].result).toMatchObject({ method: 'sparsegpt' });
    expect(card!.recipe).toMatchObject({ window: 32, windows: 16, calibration: { name: 'garden.txt' } });
    expect(card!.quality.model.kld!.mean).toBeGreaterThan(0);
    expect(readFileSync(cardFiles.find((file) => file.endsWith('.html'))!, 'utf8')).not.toContain('<h2>Tensors');
  });

  it('reads the text of the card before any stage', async () => {
    const run = (card: string) => {
      write('card.json', { ...recipe, output: 'card.gguf', card: { text: card } });
      return shape(path('card.json'), { onStage: (name) => expect.fail(`${name} runs`) });
    };
    await expect(run('missing.txt')).rejects.toThrow(/missing\.txt/);
    await expect(run('garden.txt')).rejects.toThrow(/card is the calibration text, expected another text/);
  });

  const rotating = async (source: string) => {
    const stages = [{ rotate: {} }, { quantize: { type: 'Q4_0', pure: true, calibrate: false } }];
    write('rotate.json', { ...recipe, source, output: 'rotate.gguf', card: undefined, stages });
    const { stages: done } = await shape(path('rotate.json'));
    const made = await openCheckpoint(path('rotate.gguf'));
    const gain = await tensorValues(made.tensors.get('blk.0.attn_norm.weight')!);
    await made.close();
    expect(readdirSync(path('rotate.gguf.stages'))).toEqual([]);
    return { result: done[0].result, isFolded: gain.every((value) => value === 1) };
  };

  it('keeps a rotation that loses less: of a model with a channel of large weights', async () => {
    const bytes = await makeModel({ architecture: 'llama', format: 'F32' });
    const checkpoint = await openCheckpoint(bytes);
    const view = new DataView(bytes.buffer, bytes.byteOffset);
    for (const [name, tensor] of checkpoint.tensors) {
      const { offset } = tensor as unknown as { offset: number };
      const scale = (i: number, factor: number) =>
        view.setFloat32(offset + 4 * i, factor * view.getFloat32(offset + 4 * i, true), true);
      const isReader = /(attn_[qkv]|ffn_(gate|up))\.weight$/.test(name);
      for (let i = 3; isReader && i < tensor.byteLength / 4; i += tensor.shape.at(-1)!) scale(i, 30);
      // the gain makes up for it
      if (/(attn|ffn)_norm\.weight$/.test(name)) scale(3, 1 / 30);
    }
    writeFileSync(path('outlier.gguf'), bytes);
    const { result, isFolded } = await rotating('outlier.gguf');
    expect(result).toMatchObject({ isRotated: true });
    expect(isFolded).toBe(true);
  });

  it('passes over a rotation that loses more: of a model whose weights are on a grid', async () => {
    await quantize(path('source.gguf'), path('q4.gguf'), { type: 'Q4_0', pure: true });
    await quantize(path('q4.gguf'), path('grid.gguf'), { type: 'F32', allowRequantize: true });
    const { result, isFolded } = await rotating('grid.gguf');
    expect(result).toMatchObject({ isRotated: false });
    expect(isFolded).toBe(false);
  });

  it('refuses a stage before the source writes a text, and plans without one', async () => {
    const calibration = { text: 'self', window: 32, windows: 20_000 };
    const plan = (stage: object) =>
      write('planned.json', { ...recipe, output: 'planned.gguf', calibration, card: undefined, stages: [stage] });
    plan({ prune: {} });
    await expect(shape(path('planned.json'))).rejects.toThrow(/sparsity is missing/);
    plan({ quantize: { type: 'Q4_0' } });
    const { stages } = await shape(path('planned.json'), { dryRun: true });
    expect((stages[0].result as StagePlan).seconds).toBeGreaterThan(1);
  });

  it.each([
    [{ quantize: { targetBits: 1 } }, /targetBits is 1, expected at least/],
    [{ quantize: { type: 'Q4_0', targetBits: 5 } }, /exactly one of type, targetBits/],
    [{ quantize: { targetBits: 5, calibrate: false } }, /calibration is missing/],
    [{ prune: {} }, /sparsity is missing, expected exactly one/],
    [{ prune: { sparsity: 0.5, pattern: '2:4' } }, /sparsity is given beside a pattern/],
    [{ dropLayers: { layers: 40 } }, /layers is 40, expected 1 to 1 of the 2 blocks/],
    [{ dropLayers: { layers: [40] } }, /layers is 40, expected indices from 0 to 1/],
    [{ dropLayers: { layers: 1, maxDivergence: 1 } }, /maxDivergence is 1, expected layers to be 'auto'/],
  ])('refuses %o before an earlier stage runs', async (stage, message) => {
    write('late.json', { ...recipe, output: 'late.gguf', card: undefined, stages: [{ rotate: {} }, stage] });
    for (const dryRun of [true, false]) await expect(shape(path('late.json'), { dryRun })).rejects.toThrow(message);
    expect(existsSync(path('late.gguf.stages'))).toBe(false);
  });

  it.each([
    [[{ prune: { method: 'wanda', sparsity: 0.5 } }], /calibration is missing, expected a text, which wanda needs/],
    [[{ dropLayers: { layers: 1 } }], /calibration is missing, expected a text, by which the blocks are chosen/],
    [[{ quantize: { type: 'Q4_0' } }, { prune: { sparsity: 0.5 } }], /pruning a model with tensors in Q4_0/],
  ])('refuses %o without a calibration text before a stage runs', async (stages, message) => {
    write('late.json', { source: 'source.gguf', output: 'late.gguf', stages: [{ rotate: {} }, ...stages] });
    await expect(shape(path('late.json'))).rejects.toThrow(message);
    expect(existsSync(path('late.gguf.stages'))).toBe(false);
  });

  it('tries a rotation again for another type, or another number of bits', async () => {
    const states: string[] = [];
    const run = async (quantize: object) => {
      write('trial.json', { ...recipe, output: 'trial.gguf', card: undefined, stages: [{ rotate: {} }, { quantize }] });
      const controller = new AbortController();
      const onStage = (name: string, state: string) => {
        if (name === 'rotate') states.push(state);
        else controller.abort(new Error('enough'));
      };
      await expect(shape(path('trial.json'), { signal: controller.signal, onStage })).rejects.toThrow('enough');
    };
    for (const options of [
      { type: 'Q4_0' },
      { type: 'Q2_K' },
      { targetBits: 8 },
      { targetBits: 8.1 },
      { type: 'Q2_K' },
    ])
      await run(options);
    expect(states).toEqual(['runs', 'runs', 'runs', 'was done before', 'was done before']);
    expect([2.3, 3.4, 5, 9].map(typeOfBits)).toEqual(['Q2_K', 'Q3_K_M', 'Q4_0', 'Q8_0']);
  });

  it('plans all stages without writing: the bytes that each model then has', async () => {
    const stages = [
      { narrow: { keep: 0.75 } },
      { dropLayers: { layers: 1 } },
      { distill: { steps: 2, sequence: 32, batch: 2 } },
      { quantize: { type: 'Q5_0' } },
      { tune: { steps: 2 } },
    ];
    write('dry.json', { ...recipe, card: undefined, output: 'dry.gguf', stages });
    const { stages: planned } = await shape(path('dry.json'), { dryRun: true });
    expect(readdirSync(folder).filter((name) => name.startsWith('dry'))).toEqual(['dry.json']);
    expect(planned.map(({ name }) => name)).toEqual(['narrow', 'dropLayers', 'distill', 'quantize', 'tune']);
    const plans = planned.map(({ result }) => result as StagePlan);
    for (const { memoryBytes, seconds } of plans) {
      expect(memoryBytes).toBeGreaterThan(0);
      expect(seconds).toBeGreaterThan(0);
    }
    await shape(path('dry.json'));
    const made = await openCheckpoint(path('dry.gguf'));
    const bytes = [...made.tensors.values()].reduce((sum, { byteLength }) => sum + byteLength, 0);
    await made.close();
    expect(plans.slice(-2).map((plan) => plan.bytes)).toEqual([bytes, bytes]);
    expect(plans[0].bytes).toBeGreaterThan(plans[1].bytes);
  });

  it('plans a budget without measuring', async () => {
    write('dry.json', {
      ...recipe,
      card: undefined,
      output: 'budget.gguf',
      stages: [{ quantize: { maxBytes: 560_000 } }],
    });
    const { stages } = await shape(path('dry.json'), { dryRun: true });
    const { bytes } = stages[0].result as StagePlan;
    expect(bytes).toBeLessThanOrEqual(560_000);
    expect(bytes).toBeGreaterThan(500_000);
  });

  it.each([
    ['a field that does not exist', { ...recipe, stage: [] }, /stage/],
    ['no stages', { ...recipe, stages: [] }, /stages/],
    ['a stage that does not exist', { ...recipe, stages: [{ squeeze: {} }] }, /stages\.0/],
  ])('refuses %s', async (_, value, message) => {
    write('wrong.json', value);
    await expect(shape(path('wrong.json'))).rejects.toThrow(message);
  });
});
