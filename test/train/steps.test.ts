/** Training by its public steps: a loop of one's own does exactly what a run does. */
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { load, OptionError } from '../../src/index.ts';
import { prepareTraining, readRecipe, train } from '../../src/train/index.ts';
import { backend } from './backend.ts';
import { type TinyRun, tinyRun } from './tinyRun.ts';

let run: TinyRun;
let path: string;
beforeAll(async () => {
  run = await tinyRun();
  path = await run.recipe({
    optimizer: { learningRate: 0.01, minimumLearningRate: 0.01, warmup: 0 },
    evaluation: { every: 12 },
  });
});
afterAll(() => run.remove());

describe('the steps of training', () => {
  it('reach the losses of a run, bit for bit', async () => {
    const { best } = await train(path, { backend });
    const { recipe } = await readRecipe(path);
    const model = await prepareTraining(
      { ...recipe, checkpoints: { ...recipe.checkpoints, folder: run.path('steps') } },
      { backend },
    );
    const data = await model.openData();
    try {
      for (let step = 0; step < 12; step++) await model.learner.update([await data.batch(step)], step, 0.01);
      expect((await model.heldOutLoss(data)).loss).toBe(best!.loss);
      await model.write(run.path('steps.gguf'));
    } finally {
      await data.close();
      await model.dispose();
    }
    const written = await load(run.path('steps.gguf'), { threads: 1 });
    expect(written.summary.architecture).toBe('llama');
    written.dispose();
  });

  it('start again from the same weights', async () => {
    const model = await prepareTraining(path, { backend });
    const data = await model.openData();
    try {
      const start = await model.readWeights();
      expect(start.length).toBe(model.parameters);
      const losses: number[] = [];
      for (let round = 0; round < 2; round++) {
        await model.writeWeights(start);
        await model.resetOptimizer();
        for (let step = 0; step < 2; step++) await model.learner.update([await data.batch(step)], step, 0.01);
        losses.push((await model.heldOutLoss(data)).loss);
      }
      expect(losses[1]).toBe(losses[0]);
      expect(await model.readWeights()).not.toEqual(start);
      await expect(model.writeWeights(start.subarray(1))).rejects.toThrow(OptionError);
    } finally {
      await data.close();
      await model.dispose();
    }
  });
});
