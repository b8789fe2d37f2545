/** The fields of a shaping recipe (JSON). */
import * as z from 'zod';
import { FormatError } from '../../core/errors.ts';
import { parseJsonObject } from '../../formats/json.ts';

const pruneStage = z.strictObject({
  prune: z
    .strictObject({
      method: z.enum(['magnitude', 'wanda', 'sparsegpt']).optional(),
      sparsity: z.number().gt(0).lt(1).optional(),
      pattern: z.string().optional(),
    })
    .describe('sets weights to zero; the next stage starts from the result'),
});

const quantizeStage = z.strictObject({
  quantize: z
    .strictObject({
      type: z.string().optional(),
      targetBits: z.number().positive().optional(),
      maxBytes: z.int().positive().optional(),
      like: z.string().optional(),
      maxMs: z.number().positive().optional().describe('milliseconds of a token'),
      maxJoules: z.number().positive().optional().describe('joules of a token'),
      device: z.string().min(1).optional().describe('JSON file of the device of maxMs or maxJoules; default: this one'),
      generations: z.int().min(0).optional(),
      pure: z.boolean().optional(),
      tensorTypes: z.record(z.string(), z.string()).optional().describe('{ "regular expression": "format" }'),
      outputTensorType: z.string().optional(),
      tokenEmbeddingType: z.string().optional(),
      keepZeros: z.boolean().optional().describe('keeps weights at 0; default: true after a stage prune'),
      allowRequantize: z.boolean().optional(),
      calibrate: z.boolean().default(true).describe('false: without the calibration text'),
    })
    .describe('quantizes, as espalier quantize does'),
});

const tuneStage = z.strictObject({
  tune: z
    .strictObject({
      train: z
        .enum(['scales', 'weights'])
        .default('scales')
        .describe('the scales with frozen integers, or the weights behind the integers'),
      steps: z.int().positive().default(200),
      learningRate: z.number().positive().default(0.002),
    })
    .describe("trains a quantized model within its formats on its divergence from the recipe's source"),
});

const dropLayersStage = z.strictObject({
  dropLayers: z
    .strictObject({
      layers: z
        .union([z.int().positive(), z.literal('auto'), z.array(z.int().min(0)).min(1)])
        .describe(
          'number of blocks, chosen by the calibration text, or their indices; auto: as many as maxDivergence allows',
        ),
      maxDivergence: z.number().positive().optional().describe('with auto: nats per token on held-out text'),
    })
    .describe('removes whole blocks'),
});

const cutVocabularyStage = z.strictObject({
  cutVocabulary: z.strictObject({}).describe('removes tokens that the calibration text never uses'),
});

const share = () => z.number().gt(0).max(1).optional();

const narrowStage = z.strictObject({
  narrow: z
    .strictObject({
      keep: share().describe('share of the neurons and heads that are kept'),
      keepNeurons: share().describe('share of the neurons'),
      keepHeads: share().describe('share of the key-value heads, with their queries'),
    })
    .describe('removes neurons and heads, chosen by the calibration text'),
});

const rotateStage = z.strictObject({
  rotate: z
    .strictObject({
      seed: z.int().min(0).default(1),
      always: z.boolean().default(false).describe('true: without a trial'),
    })
    .describe(
      'rotates the residual stream, so that no channel stands out; before a stage quantize only if a trial on the calibration text loses less, without such a text always; the result is in F32',
    ),
});

const distillStage = z.strictObject({
  distill: z
    .strictObject({
      steps: z.int().positive().describe('number of updates'),
      learningRate: z.number().positive().default(3e-4),
      sequence: z.int().min(2).default(256).describe('tokens per sequence'),
      batch: z.int().positive().default(4).describe('sequences per update'),
      temperature: z.number().positive().default(1),
    })
    .describe("trains all weights on the distribution of the recipe's source; the result is in F32"),
});

const schema = z.strictObject({
  source: z.string().min(1).describe('GGUF file or Hugging Face folder'),
  output: z.string().min(1).describe('GGUF file to write'),
  calibration: z
    .strictObject({
      text: z
        .union([z.string().min(1), z.array(z.string().min(1)).min(1)])
        .describe('text file, "self" (the source writes it), or a list of them'),
      window: z.int().min(2).optional(),
      windows: z.int().min(2).optional(),
    })
    .optional(),
  card: z
    .strictObject({
      text: z.string().min(1).describe('text file to measure on; not the calibration text'),
      maxTokens: z.int().min(2).optional(),
    })
    .optional(),
  stages: z
    .array(
      z.union([
        pruneStage,
        dropLayersStage,
        narrowStage,
        cutVocabularyStage,
        rotateStage,
        distillStage,
        quantizeStage,
        tuneStage,
      ]),
    )
    .min(1)
    .describe('prune, dropLayers, narrow, cutVocabulary, rotate, distill, quantize, tune, in any order'),
});

export type ShapeRecipe = z.infer<typeof schema>;
export type ShapeStage = ShapeRecipe['stages'][number];
export type DistillStage = z.infer<typeof distillStage>['distill'];

/** @param file name for error messages @throws {FormatError} that lists all invalid fields */
export function parseShapeRecipe(text: string, file: string): ShapeRecipe {
  const result = schema.safeParse(parseJsonObject(text, file));
  if (result.success) return result.data;
  const problems = result.error.issues.map(
    ({ path, message }) => `${path.map(String).join('.') || 'the recipe'}: ${message}`,
  );
  throw new FormatError(file, problems.join('; '), { problems });
}
