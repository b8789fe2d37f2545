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
      pure: z.boolean().optional(),
      tensorTypes: z.record(z.string(), z.string()).optional().describe('{ "regular expression": "format" }'),
      outputTensorType: z.string().optional(),
      tokenEmbeddingType: z.string().optional(),
      allowRequantize: z.boolean().optional(),
      calibrate: z.boolean().default(true).describe('false: without the calibration text'),
    })
    .describe('quantizes, as espalier quantize does'),
});

const tuneStage = z.strictObject({
  tune: z
    .strictObject({ steps: z.int().positive().default(200), learningRate: z.number().positive().default(0.002) })
    .describe("trains the scales of a quantized model on its divergence from the recipe's source"),
});

const schema = z.strictObject({
  source: z.string().min(1).describe('GGUF file or Hugging Face folder'),
  output: z.string().min(1).describe('GGUF file to write'),
  calibration: z
    .strictObject({
      text: z.string().min(1).describe('text file'),
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
    .array(z.union([pruneStage, quantizeStage, tuneStage]))
    .min(1)
    .describe('prune, quantize, tune, in any order'),
});

export type ShapeRecipe = z.infer<typeof schema>;
export type ShapeStage = ShapeRecipe['stages'][number];

/** @param file name for error messages @throws {FormatError} that lists all invalid fields */
export function parseShapeRecipe(text: string, file: string): ShapeRecipe {
  const result = schema.safeParse(parseJsonObject(text, file));
  if (result.success) return result.data;
  const problems = result.error.issues.map(
    ({ path, message }) => `${path.map(String).join('.') || 'the recipe'}: ${message}`,
  );
  throw new FormatError(file, problems.join('; '), { problems });
}
