import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { FormatError } from '../../core/errors.ts';
import { describeRecipe } from './describeRecipe.ts';
import { recipeDifferences } from './differences.ts';
import { recipeFields } from './fields.ts';
import { nearestName } from './nearestName.ts';
import { checkRecipe, parseRecipe, type RecipeInput } from './readRecipe.ts';

const base = {
  model: { architecture: 'gpt2', layers: 4, width: 128, heads: 4 },
  tokenizer: { characters: true },
  data: { sources: [{ path: 'texts/input.txt' }], sequence: 64, batch: 12 },
  steps: 2000,
};
const adapted = { model: { start: 'base.gguf' }, data: base.data, steps: 10 };

const parse = (recipe: unknown, file = 'recipes/a.json') => parseRecipe(JSON.stringify(recipe), file);
const problems = (recipe: unknown): string[] => {
  try {
    parse(recipe);
  } catch (error) {
    if (error instanceof FormatError) return error.data.problems as string[];
    throw error;
  }
  return [];
};

describe('a recipe', () => {
  it('may be an object, a text or a Blob, whose paths stay as they are', async () => {
    const text = JSON.stringify(base);
    for (const source of [base as RecipeInput, text, new Blob([text]), new File([text], 'r.json')]) {
      const { recipe, written } = await checkRecipe(source);
      expect(recipe).toEqual(written);
      expect(recipe.data.sources[0].path).toBe('texts/input.txt');
    }
    await expect(checkRecipe({ ...base, steps: 'many' } as never)).rejects.toThrow(/^recipe: steps/);
    await expect(checkRecipe(new File(['{'], 'r.json'))).rejects.toThrow(/^r\.json: is not JSON/);
  });

  it("has nanoGPT's defaults", () => {
    const { recipe } = parse(base);
    expect(recipe.optimizer).toEqual({
      learningRate: 1e-3,
      warmup: 100,
      betas: [0.9, 0.99],
      epsilon: 1e-8,
      weightDecay: 0.1,
      clip: 1,
    });
    expect(recipe).toMatchObject({
      data: { sampling: 'windows', accumulation: 1, heldOut: {} },
      dropout: 0,
      evaluation: { every: 250 },
      checkpoints: { every: 250, keep: 2 },
      output: { format: 'F32' },
      seed: 1,
    });
  });

  it('resolves paths relative to its folder, and keeps the written ones too', () => {
    const { recipe, written } = parse(base);
    expect(recipe.data.sources[0].path).toBe('recipes/texts/input.txt');
    expect(recipe.checkpoints.folder).toBe('recipes/run');
    expect(written.data.sources[0].path).toBe('texts/input.txt');
    expect(written.output.path).toBe('model.gguf');
    expect(parse(base, 'a.json').recipe.output.path).toBe('model.gguf');
    expect(parse(base, 'c:\\recipes\\a.json').recipe.output.path).toBe('c:\\recipes\\model.gguf');
    for (const start of ['/m.gguf', 'hf:owner/repo', 'https://host/m.gguf', 'C:\\m.gguf'])
      expect(parse({ ...adapted, model: { start } }).recipe.model.start).toBe(start);
  });

  it.each<[unknown, string[]]>([
    [{ ...base, steps: undefined }, ['steps is missing, expected a whole number']],
    [{ ...base, steps: 1.5 }, ['steps is 1.5, expected a whole number']],
    [{ ...base, steps: 0 }, ['steps is 0, expected more than 0']],
    [{ ...base, steps: 'many' }, ['steps is "many", expected a whole number']],
    [{ ...base, dropout: 2 }, ['dropout is 2, expected at most 1']],
    [{ ...base, seed: -1 }, ['seed is -1, expected at least 0']],
    [{ ...base, activationCheckpointing: 'yes' }, ['activationCheckpointing is "yes", expected true or false']],
    [{ ...base, optimizer: { learningRate: 0 } }, ['optimizer.learningRate is 0, expected more than 0']],
    [{ ...base, optimizer: { betas: [0.9, 1] } }, ['optimizer.betas[1] is 1, expected less than 1']],
    [
      { ...base, output: { format: 'Q4_O' } },
      [expect.stringMatching(/^output.format is "Q4_O", expected one of F32, F16,/)],
    ],
    [{ ...base, data: { ...base.data, sources: [] } }, ['data.sources is an empty list, expected at least 1 entry']],
    [{ ...base, data: { ...base.data, sources: 'a.txt' } }, ['data.sources is "a.txt", expected a list of objects']],
    [
      { ...base, data: { ...base.data, sources: [{ path: '' }] } },
      ['data.sources[0].path is "", expected at least 1 character'],
    ],
    [{ ...base, samples: { prompts: [1] } }, ['samples.prompts[0] is 1, expected a text']],
    [{ ...base, tokenizer: [] }, ['tokenizer is an empty list, expected an object']],
    [{ ...base, stepps: 1 }, ['stepps is not a field of a recipe, did you mean steps?']],
    [
      { ...base, data: { ...base.data, sources: [{ path: 'a', wieght: 1 }] } },
      ['data.sources[0].wieght is not a field of a recipe, did you mean weight?'],
    ],
    [
      { ...base, earlyStopping: { patience: 1, foo: 1 } },
      [expect.stringMatching(/foo is not a field .* expected patience or minimumImprovement/)],
    ],
    [{ ...base, steps: -1, seed: 'x' }, ['steps is -1, expected more than 0', 'seed is "x", expected a whole number']],
  ])('with an invalid field is rejected (%#)', (recipe, expected) => {
    expect(problems(recipe)).toEqual(expected);
  });

  it.each<[unknown, string]>([
    [{ ...base, model: { layers: 4, width: 128, heads: 4 } }, 'model.architecture is missing'],
    [
      { ...base, model: { ...base.model, start: 'a.gguf' }, tokenizer: undefined },
      'model.start defines architecture, layers, width and heads already',
    ],
    [{ ...adapted, tokenizer: { size: 300 } }, 'tokenizer is set, but model.start has its own'],
    [{ ...base, tokenizer: undefined }, 'tokenizer is incomplete, expected one of file, size and characters: true'],
    [{ ...base, tokenizer: { size: 300, characters: true } }, 'expected one of file, size'],
    [{ ...base, lora: {} }, 'lora needs a model.start'],
    [{ ...base, model: { ...base.model, heads: 3 } }, 'model.width is 128, expected a multiple of model.heads (3)'],
    [{ ...base, model: { ...base.model, keyValueHeads: 3 } }, 'model.keyValueHeads is 3, expected a divisor'],
    [{ ...base, model: { ...base.model, context: 32 } }, 'data.sequence is 64, expected at most model.context (32)'],
    [{ ...base, optimizer: { minimumLearningRate: 1 } }, 'optimizer.minimumLearningRate is 1, expected at most'],
    [{ ...base, distillation: { teachers: [{ path: 'a' }], tail: 4 } }, 'but it needs distillation.topK'],
    [
      { ...base, data: { ...base.data, heldOut: { fraction: 0 } }, earlyStopping: { patience: 2 } },
      'earlyStopping needs held-out data',
    ],
    [
      { ...base, data: { ...base.data, heldOut: { fraction: 0.1, sources: [{ path: 'a' }] } } },
      'data.heldOut has both fraction and sources',
    ],
  ])('that contradicts itself is rejected (%#)', (recipe, expected) => {
    expect(problems(recipe)).toEqual([expect.stringContaining(expected)]);
  });

  it('must be JSON, and errors contain its name', () => {
    expect(() => parse({ ...base, steps: 0, seed: -1 })).toThrow(
      'recipes/a.json: steps is 0, expected more than 0; seed is -1, expected at least 0',
    );
    expect(() => parseRecipe('{"steps": 1,}', 'a.json')).toThrow(/^a\.json: is not JSON/);
    expect(() => parseRecipe('[]', 'a.json')).toThrow('a.json: holds [], expected a JSON object');
  });

  it('is parsed or throws a typed error for any JSON', () => {
    const keys = fc.constantFrom(...recipeFields().map(({ key }) => key), '__proto__', 'x');
    const { value } = fc.letrec((tie) => ({
      value: fc.oneof(
        { depthSize: 'small', withCrossShrink: true },
        fc.jsonValue(),
        fc.array(tie('value'), { maxLength: 3 }),
        fc.dictionary(keys, tie('value'), { maxKeys: 6 }),
      ),
    }));
    const root = fc.dictionary(keys, value, { maxKeys: 10 });
    fc.assert(
      fc.property(root, (any) => {
        for (const recipe of [any, { ...base, ...any }])
          for (const problem of problems(recipe)) expect(problem).not.toBe('');
      }),
      { seed: 1, numRuns: 50 },
    );
  });
});

describe('the help on recipes', () => {
  it('describes every field', () => {
    for (const { key, description } of recipeFields())
      expect([key, description]).toEqual([key, expect.stringMatching(/\.$/)]);
    const help = describeRecipe();
    expect(help).toContain('    learningRate (number, default 0.001)\n        Maximum learning rate.\n');
    expect(help).toContain('  steps (whole number, required)\n');
    expect(help).toContain('    sampling (one of windows, documents, default "windows")\n');
    expect(Math.max(...help.split('\n').map((line) => line.length))).toBeLessThanOrEqual(100);
  });
});

describe('recipeDifferences', () => {
  it('lists changes that affect the run, not names and paths', () => {
    const before = JSON.parse(JSON.stringify(parse(base).written));
    const after = (changes: object) => parse({ ...base, ...changes }).written;
    expect(recipeDifferences(before, after({}))).toEqual([]);
    expect(recipeDifferences(before, after({ name: 'x', threads: 2, output: { path: 'b.gguf' } }))).toEqual([]);
    const data = { ...base.data, sources: [{ path: 'other.txt', separator: '\n' }] };
    expect(recipeDifferences(before, after({ data, seed: 2 })).sort()).toEqual([
      'data.sources[0].path',
      'data.sources[0].separator',
      'seed',
    ]);
    expect(recipeDifferences(null, after({}))).toEqual(['']);
  });
});

describe('nearestName', () => {
  it('returns the name with the fewest edits, or undefined if all are far', () => {
    expect(nearestName('learningrate', ['learningRate', 'warmup'])).toBe('learningRate');
    expect(nearestName('stpes', ['steps', 'seed'])).toBe('steps');
    expect(nearestName('teacher', ['seed', 'steps'])).toBeUndefined();
    expect(nearestName('x'.repeat(1e6), ['steps'])).toBeUndefined();
  });
});
