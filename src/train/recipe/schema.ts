/** What a recipe may say: every field with its bounds, its default and, in `describe`, the words of `--help`. */
import { z } from 'zod';
import { blockFormats } from '../../tensor/formats.ts';

const share = () => z.number().min(0).max(1);
const positive = () => z.number().positive();
const count = () => z.int().positive();

/** @param path makes a path of the recipe one that can be opened */
export function recipeSchema(path: (written: string) => string) {
  const file = (words: string) => z.string().min(1).describe(words).transform(path);

  const learn = z.strictObject({
    after: z.string().min(1).describe('Tokens behind this text are learned, such as "Bot:".'),
    until: z.string().min(1).describe('Up to this text, which is learned too, or the end of the document.'),
  });
  const source = z.strictObject({
    path: file('A text file in UTF-8, of any size.'),
    weight: positive().default(1).describe('How often it is drawn from, beside the weights of the others.'),
    separator: z
      .string()
      .min(1)
      .optional()
      .describe(
        'What stands between two documents, such as "<|endoftext|>"; white space around it goes. Of line breaks alone: exactly so many. Without it the file is one document.',
      ),
    taught: z
      .boolean()
      .default(true)
      .describe('Whether teachers are asked; false: it is learned as it is written, whatever they think of it.'),
    learn: learn.optional().describe('Only parts of each document are learned, such as the replies of a conversation.'),
  });
  const sources = () => z.array(source).min(1);

  return z.strictObject({
    name: z.string().min(1).default('model').describe('What the model is called, in its file and in reports.'),
    about: z.string().optional().describe('For people who read the recipe; nothing is made of it.'),
    model: z
      .strictObject({
        start: file(
          'A model to go on from (GGUF, Hugging Face folder, hf:owner/repo); nothing else is said then.',
        ).optional(),
        architecture: z.string().min(1).optional().describe('Such as "llama" or "gpt2".'),
        layers: count().optional().describe('Number of blocks.'),
        width: count().optional().describe('Of the embedding. In multiples of 256 every block format fits.'),
        heads: count().optional().describe('Heads of attention.'),
        keyValueHeads: count().optional().describe('Heads of keys and values; default: as many as heads.'),
        headSize: count().optional().describe('Default: width / heads.'),
        feedForward: count().optional().describe('Width of the feed-forward part; default: 4 × width.'),
        context: count().optional().describe('Positions that the model is made for; default: data.sequence.'),
        bias: z
          .boolean()
          .optional()
          .describe(
            'Whether linear layers and norms have biases, where the architecture leaves it open; default: false.',
          ),
        tied: z.boolean().optional().describe('Whether the output takes the weights of the embedding; default: true.'),
        normEpsilon: positive().optional().describe('Added to variances in norms; default: 1e-5.'),
        ropeBase: positive()
          .optional()
          .describe('Of rotary positions, in architectures that have them; default: 10000.'),
      })
      .describe('What is trained: a model to start from, or the sizes of a new one.'),
    tokenizer: z
      .strictObject({
        file: file('A model whose tokenizer is taken.').optional(),
        size: count().optional().describe('Trains a byte-level BPE of so many tokens on the training sources.'),
        within: file(
          "With size: a model of whose tokens these are some, so that it can be a teacher of this one's distributions.",
        ).optional(),
        special: z
          .array(z.string().min(1))
          .default(['<|endoftext|>'])
          .describe('Texts of its special tokens; the first begins and ends documents.'),
        characters: z
          .boolean()
          .optional()
          .describe('true: one token for each character of the sources, as in nanoGPT; without special tokens.'),
      })
      .optional()
      .describe('file, size or characters; not with model.start, which brings its own.'),
    data: z
      .strictObject({
        sources: sources().describe('Texts to train on.'),
        draw: z
          .enum(['windows', 'documents'])
          .default('windows')
          .describe('Sequences are windows anywhere in the text, or packed from whole documents.'),
        heldOut: z
          .strictObject({
            fraction: z
              .number()
              .min(0)
              .lt(1)
              .optional()
              .describe('The last part of every source; default: 0.1, or 0 where there are sources.'),
            sources: sources()
              .optional()
              .describe('Texts of their own; weights are those of their losses in the mean.'),
          })
          .prefault({})
          .describe('What is not trained on but evaluated.'),
        sequence: count().describe('Tokens of a sequence.'),
        batch: count().default(16).describe('Sequences of a micro-step: memory grows with it.'),
        accumulation: count().default(1).describe('Micro-steps whose gradients are added up for one update.'),
        cache: file("Folder for tokenized texts; default: the user's cache, or ESPALIER_CACHE.").optional(),
      })
      .describe('Texts, and how they are cut and mixed.'),
    steps: count().describe('Updates of the weights.'),
    optimizer: z
      .strictObject({
        learningRate: positive().default(1e-3).describe('At its highest.'),
        minimumLearningRate: z
          .number()
          .min(0)
          .optional()
          .describe('At the end of the cosine; default: a tenth of the highest. The same as the highest: constant.'),
        warmup: z.int().min(0).default(100).describe('Steps in which the learning rate rises.'),
        betas: z
          .tuple([z.number().min(0).lt(1), z.number().min(0).lt(1)])
          .default([0.9, 0.99])
          .describe("How slowly AdamW's two means of gradients follow."),
        epsilon: positive().default(1e-8).describe("AdamW's, against division by zero."),
        weightDecay: z.number().min(0).default(0.1).describe('Of matrices; norms and biases have none.'),
        clip: z.number().min(0).default(1).describe('Greatest norm of the gradient; 0: not clipped.'),
      })
      .prefault({})
      .describe('AdamW, with a warm-up and a cosine.'),
    dropout: share().default(0).describe('Share of values that are dropped in training.'),
    activationCheckpointing: z
      .boolean()
      .default(false)
      .describe('Computes activations anew on the way back: less memory, about a third more time.'),
    lora: z
      .strictObject({
        rank: count().default(8).describe('Of the two factors beside each target.'),
        alpha: positive().optional().describe('The factors count alpha / rank; default: twice the rank.'),
        targets: z
          .array(z.string().min(1))
          .min(1)
          .default(['attn_q', 'attn_v'])
          .describe("Matrices that get factors, by GGUF's names in a block."),
      })
      .optional()
      .describe('Trains an adapter to model.start, whose weights stay as they are. Hu et al. 2021.'),
    distillation: z
      .strictObject({
        teachers: z
          .array(
            z.strictObject({
              path: file("A model whose vocabulary holds all of the student's tokens, at least."),
              weight: positive().default(1).describe('Of its probabilities in the mean of all teachers.'),
            }),
          )
          .min(1)
          .describe('Models whose distributions the student learns.'),
        temperature: positive().default(1).describe('Divides the logits of both. Hinton et al. 2015.'),
        reverse: share().default(0).describe('Share of KL(student ‖ teacher); the rest is KL(teacher ‖ student).'),
        hardLabels: share().default(0.5).describe('Share of the loss on the text itself.'),
        topK: count().optional().describe("Only so many of a teacher's likeliest tokens are compared; default: all."),
        tail: z.int().min(0).default(0).describe('Beside topK, so many tokens drawn from the others.'),
      })
      .optional()
      .describe('Learns from larger models beside the text.'),
    evaluation: z
      .strictObject({
        every: count().default(250).describe('Steps between two evaluations.'),
        batches: count().optional().describe('Per held-out text, evenly spread over it; default: all of it.'),
      })
      .prefault({})
      .describe('Losses on what is held out.'),
    earlyStopping: z
      .strictObject({
        patience: count().describe('Evaluations without a better one after which training ends.'),
        minimumImprovement: z.number().min(0).default(0).describe('By how much a loss must be lower to be better.'),
      })
      .optional()
      .describe('Ends before all steps are done.'),
    checkpoints: z
      .strictObject({
        folder: file('Where checkpoints, log.jsonl and report.html go.').prefault('run'),
        every: count().default(250).describe('Steps between two checkpoints.'),
        keep: count().default(2).describe('So many of the last are kept, and the one of the best evaluation.'),
      })
      .prefault({})
      .describe('What a run that was cut goes on from.'),
    samples: z
      .strictObject({
        prompts: z.array(z.string()).min(1).describe('Texts that the model continues.'),
        every: count().default(1000).describe('Steps between two times.'),
        tokens: count().default(100).describe('Length of each.'),
        temperature: z.number().min(0).default(0.8).describe('0: always the likeliest token.'),
      })
      .optional()
      .describe('What the model writes on its way.'),
    output: z
      .strictObject({
        path: file('GGUF file of the best weights, or with lora of the adapter.').prefault('model.gguf'),
        format: z
          .enum(blockFormats.map(({ name }) => name))
          .default('F32')
          .describe('Block format of its matrices.'),
        chatTemplate: z.string().min(1).optional().describe('Jinja source of its chat template.'),
      })
      .prefault({})
      .describe('The model that comes out.'),
    seed: z.int().min(0).max(0xffffffff).default(1).describe('The same seed gives the same run.'),
    threads: count().max(256).optional().describe('Default: what the machine has.'),
  });
}

export type Recipe = z.output<ReturnType<typeof recipeSchema>>;
