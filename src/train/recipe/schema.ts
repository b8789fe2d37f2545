/** Schema of a recipe: every field with its range, default and description (shown by `espalier train --help`). */
import * as z from 'zod';
import { blockFormats } from '../../tensor/formats.ts';

const share = () => z.number().min(0).max(1);
const positive = () => z.number().positive();
const count = () => z.int().positive();

/** @param path resolves a path of the recipe */
export function recipeSchema(path: (written: string) => string) {
  const file = (words: string) => z.string().min(1).describe(words).transform(path);

  const learn = z.strictObject({
    after: z.string().min(1).describe('Train on the tokens after this text, e.g. "Bot:".'),
    until: z.string().min(1).describe('Stop after this text (included), or at the end of the document.'),
  });
  const source = z.strictObject({
    path: file('Text file in UTF-8, of any size.'),
    weight: positive().default(1).describe('Sampling weight relative to the other sources.'),
    separator: z
      .string()
      .min(1)
      .optional()
      .describe(
        'Separator between documents, e.g. "<|endoftext|>". White space around documents is removed. A separator of line breaks matches exactly that number of them. Default: the file is one document.',
      ),
    distill: z
      .boolean()
      .default(true)
      .describe("Learn the teachers' distributions on this text. false: learn the text as written."),
    learn: learn.optional().describe('Train only on parts of each document, e.g. the replies of a conversation.'),
  });
  const sources = () => z.array(source).min(1);

  return z.strictObject({
    name: z.string().min(1).default('model').describe('Name of the model in its file and in reports.'),
    about: z.string().optional().describe('Comment for readers of the recipe. Ignored.'),
    model: z
      .strictObject({
        start: file(
          'Model to start from (GGUF file, Hugging Face folder or hf:owner/repo). Excludes the other fields.',
        ).optional(),
        architecture: z.string().min(1).optional().describe('Architecture, e.g. "llama" or "gpt2".'),
        layers: count().optional().describe('Number of blocks.'),
        width: count().optional().describe('Width of the hidden state. Multiples of 256 fit every block format.'),
        heads: count().optional().describe('Number of attention heads.'),
        keyValueHeads: count().optional().describe('Number of key and value heads. Default: heads.'),
        headSize: count().optional().describe('Width of a head. Default: width / heads.'),
        feedForward: count().optional().describe('Width of the feed-forward layer. Default: 4 × width.'),
        context: count().optional().describe('Context length of the model. Default: data.sequence.'),
        bias: z
          .boolean()
          .optional()
          .describe('Give linear layers and norms a bias, if the architecture makes it optional. Default: false.'),
        tied: z.boolean().optional().describe('Share the weights of embedding and output layer. Default: true.'),
        normEpsilon: positive().optional().describe('Epsilon of the norms. Default: 1e-5.'),
        ropeBase: positive()
          .optional()
          .describe('Base of the rotary position embedding, if the architecture has one. Default: 10000.'),
      })
      .describe('The model to train: a start model, or the sizes of a new one.'),
    tokenizer: z
      .strictObject({
        file: file('Model whose tokenizer is used.').optional(),
        size: count()
          .optional()
          .describe('Train a byte-level BPE tokenizer with this number of tokens on data.sources.'),
        subsetOf: file(
          'With size: a model whose tokens are reduced to the most useful ones, so that it can be the teacher.',
        ).optional(),
        special: z
          .array(z.string().min(1))
          .default(['<|endoftext|>'])
          .describe('Special tokens. The first one is BOS and EOS.'),
        characters: z
          .boolean()
          .optional()
          .describe('One token per character of the sources, as in nanoGPT. No special tokens.'),
      })
      .optional()
      .describe('Set one of file, size and characters. Not with model.start, which has its own tokenizer.'),
    data: z
      .strictObject({
        sources: sources().describe('Texts to train on.'),
        sampling: z
          .enum(['windows', 'documents'])
          .default('windows')
          .describe('Sequences are random windows of the text, or packed from whole documents.'),
        heldOut: z
          .strictObject({
            fraction: z
              .number()
              .min(0)
              .lt(1)
              .optional()
              .describe('Fraction at the end of every source. Default: 0.1, or 0 with heldOut.sources.'),
            sources: sources()
              .optional()
              .describe('Separate texts. Their weights are the weights of their losses in the mean.'),
          })
          .prefault({})
          .describe('Data for evaluation, excluded from training.'),
        sequence: count().describe('Tokens per sequence.'),
        batch: count().default(16).describe('Sequences per micro-step. Memory grows with it.'),
        accumulation: count().default(1).describe('Micro-steps per update; their gradients are added.'),
        cache: file("Folder for tokenized texts. Default: the user's cache folder, or ESPALIER_CACHE.").optional(),
      })
      .describe('The texts, and how they become sequences.'),
    steps: count().describe('Number of weight updates.'),
    optimizer: z
      .strictObject({
        learningRate: positive().default(1e-3).describe('Maximum learning rate.'),
        minimumLearningRate: z
          .number()
          .min(0)
          .optional()
          .describe(
            'Learning rate at the end of the cosine. Default: learningRate / 10. Set it to learningRate for a constant rate.',
          ),
        warmup: z.int().min(0).default(100).describe('Steps over which the learning rate rises linearly.'),
        betas: z
          .tuple([z.number().min(0).lt(1), z.number().min(0).lt(1)])
          .default([0.9, 0.99])
          .describe("Decay rates of AdamW's first and second moment."),
        epsilon: positive().default(1e-8).describe("AdamW's epsilon."),
        weightDecay: z.number().min(0).default(0.1).describe('Weight decay of matrices. Norms and biases have none.'),
        clip: z.number().min(0).default(1).describe('Maximum gradient norm. 0: no clipping.'),
      })
      .prefault({})
      .describe('AdamW with linear warm-up and cosine decay.'),
    dropout: share().default(0).describe('Dropout rate.'),
    activationCheckpointing: z
      .boolean()
      .default(false)
      .describe('Recompute activations in the backward pass: less memory, about a third more time.'),
    lora: z
      .strictObject({
        rank: count().default(8).describe('Rank of the factors.'),
        alpha: positive().optional().describe('The factors are scaled by alpha / rank. Default: 2 × rank.'),
        targets: z
          .array(z.string().min(1))
          .min(1)
          .default(['attn_q', 'attn_v'])
          .describe('Matrices to adapt, by their GGUF names within a block.'),
        freezeA: z
          .boolean()
          .default(false)
          .describe(
            'Train only the second factor, B (FFA-LoRA): half the parameters, and means of adapters are exact.',
          ),
      })
      .optional()
      .describe('Train a LoRA adapter (Hu et al. 2021) instead of the weights of model.start.'),
    exit: z
      .strictObject({
        depth: count().describe('Number of layers before the exit.'),
        tokens: count()
          .optional()
          .describe('Number of tokens that it predicts: the most frequent ones of the texts. Default: all.'),
      })
      .optional()
      .describe(
        'Train an early exit of model.start, which stays as it is: one block that learns to predict what the whole model predicts. The loss is the KL divergence from it.',
      ),
    elastic: z
      .boolean()
      .optional()
      .describe(
        'Train all nested widths of model.start (made by `espalier sort-neurons`): every batch is learned with all neurons and with those of each narrower model. Losses are means over the widths.',
      ),
    keepZeros: z
      .boolean()
      .optional()
      .describe('Keep the weights of matrices that are 0 in model.start at 0, as `espalier prune` leaves them.'),
    distillation: z
      .strictObject({
        teachers: z
          .array(
            z.strictObject({
              path: file("Model whose vocabulary contains the student's tokens."),
              weight: positive().default(1).describe('Weight of its probabilities in the mean of all teachers.'),
            }),
          )
          .min(1)
          .describe('Models whose next-token distributions the student learns.'),
        temperature: positive().default(1).describe('Temperature of both softmaxes (Hinton et al. 2015).'),
        reverse: share().default(0).describe('Weight of KL(student ‖ teacher). The rest is KL(teacher ‖ student).'),
        hardLabels: share().default(0.5).describe('Weight of the cross-entropy loss on the text.'),
        topK: count().optional().describe("Use only the teacher's k most likely tokens. Default: all."),
        tail: z.int().min(0).default(0).describe('With topK: number of tokens sampled from the others.'),
      })
      .optional()
      .describe('Distillation: learn from the distributions of larger models.'),
    evaluation: z
      .strictObject({
        every: count().default(250).describe('Steps between evaluations.'),
        batches: count().optional().describe('Batches per held-out text, evenly spaced. Default: all.'),
      })
      .prefault({})
      .describe('Evaluation on held-out data.'),
    earlyStopping: z
      .strictObject({
        patience: count().describe('Evaluations without an improvement before training ends.'),
        minimumImprovement: z
          .number()
          .min(0)
          .default(0)
          .describe('Smallest decrease of the loss that counts as an improvement.'),
      })
      .optional()
      .describe('End training when the held-out loss stops improving.'),
    checkpoints: z
      .strictObject({
        folder: file('Folder for checkpoints, log.jsonl and report.html.').prefault('run'),
        every: count().default(250).describe('Steps between checkpoints.'),
        keep: count().default(2).describe('Number of latest checkpoints to keep, in addition to the best one.'),
      })
      .prefault({})
      .describe('Checkpoints, to resume an interrupted run.'),
    samples: z
      .strictObject({
        prompts: z.array(z.string()).min(1).describe('Prompts to continue.'),
        every: count().default(1000).describe('Steps between samples.'),
        tokens: count().default(100).describe('Maximum tokens per sample.'),
        temperature: z.number().min(0).default(0.8).describe('Sampling temperature. 0: always the most likely token.'),
      })
      .optional()
      .describe('Texts that the model writes during training.'),
    output: z
      .strictObject({
        path: file('GGUF file for the best weights, or for the adapter with lora.').prefault('model.gguf'),
        format: z
          .enum(blockFormats.filter(({ decodeOnly }) => !decodeOnly).map(({ name }) => name))
          .default('F32')
          .describe('Block format of the matrices.'),
        chatTemplate: z.string().min(1).optional().describe('Chat template (Jinja).'),
      })
      .prefault({})
      .describe('The resulting model.'),
    seed: z.int().min(0).max(0xffffffff).default(1).describe('Random seed. The same seed produces the same run.'),
    threads: count().max(256).optional().describe('Number of threads. Default: all cores.'),
  });
}

export type Recipe = z.output<ReturnType<typeof recipeSchema>>;
