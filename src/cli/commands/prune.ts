/** `espalier prune`: sets weights of a model to zero. */
import { basename } from 'node:path';
import { Command, InvalidArgumentError, Option } from 'commander';
import {
  type CalibrationOptions,
  cutVocabulary,
  type DropLayersOptions,
  dropLayers,
  makeCard,
  narrow,
  type PruneOptions,
  prune,
  refuseSameText,
  runRecipe,
  type ShapeStage,
  writeCard,
} from '../../compress/index.ts';
import { type BackendName, OptionError } from '../../index.ts';
import { addCalibrationOptions, type CalibrationValues, readCalibration } from '../calibration.ts';
import { interruptSignal } from '../interrupt.ts';
import { addComputeOptions, examples, number } from '../options.ts';
import { bytesForPeople, print, printFields, printJson } from '../output.ts';
import { progressBar } from '../progressBar.ts';
import { readTextFile } from '../textInput.ts';

interface Values extends CalibrationValues {
  readonly method?: PruneOptions['method'];
  readonly sparsity?: number;
  readonly pattern?: string;
  readonly dropLayers?: number | 'auto';
  readonly maxDivergence?: number;
  readonly keep?: number;
  readonly keepNeurons?: number;
  readonly keepHeads?: number;
  readonly dropBlocks?: readonly number[];
  readonly vocabulary?: 'used';
  readonly card?: string;
  readonly cardTokens?: number;
  readonly threads?: number;
  readonly backend: BackendName;
  readonly json?: boolean;
}

export function pruneCommand(): Command {
  const command = addComputeOptions(new Command('prune'))
    .description(
      "Set weights of a model's blocks to zero, or remove whole blocks, neurons, heads and tokens. With zeros the file keeps its size and speed, as kernels do not skip them; it compresses better.",
    )
    .argument('<model>', 'GGUF file or Hugging Face folder in F32, F16 or BF16: path, URL or hf:owner/repo')
    .argument('<output>', 'GGUF file to write')
    .option('--sparsity <share>', 'share of zeros, e.g. 0.5', number)
    .option('--pattern <N:M>', 'keep N of every M consecutive weights, e.g. 2:4')
    .option(
      '--drop-layers <count|auto>',
      'remove the blocks that matter least to the calibration text; auto: as many as --max-divergence allows; smaller and faster',
      count,
    )
    .option(
      '--max-divergence <nats>',
      'with --drop-layers auto: maximum KL divergence per token on the last eighth of the text (default: 0.1)',
      number,
    )
    .option('--drop-blocks <list>', 'remove these blocks, e.g. 3,7', blockList)
    .option('--keep <share>', 'keep this share of the neurons and heads, e.g. 0.85; smaller and faster', number)
    .option('--keep-neurons <share>', 'share of the neurons alone (default: --keep, or all)', number)
    .option(
      '--keep-heads <share>',
      'share of the key-value heads, with their queries (default: --keep, or all)',
      number,
    )
    .addOption(
      new Option(
        '--vocabulary <tokens>',
        'remove the tokens that the calibration texts and the chat template never use, with their rows of embedding and output matrix; every text can still be encoded',
      ).choices(['used']),
    )
    .addOption(
      new Option(
        '--method <name>',
        'how weights are chosen (default: sparsegpt with --calibrate, else magnitude)',
      ).choices(['magnitude', 'wanda', 'sparsegpt']),
    )
    .option('--card <path>', 'measure what was lost on this text file, and write it beside the output as HTML and JSON')
    .option('--card-tokens <count>', 'maximum number of tokens to measure for the card (default: 8192)', number)
    .option('--json', 'print one JSON object on the last line')
    .action(run);
  return examples(addCalibrationOptions(command, 'text by which weights, blocks, neurons and heads are chosen'), [
    'espalier prune model-f16.gguf sparse.gguf --sparsity 0.5 --calibrate texts.txt',
    'espalier prune model.gguf smaller.gguf --drop-layers 2 --calibrate texts.txt',
    'espalier prune model.gguf smaller.gguf --drop-layers auto --calibrate texts.txt --calibrate self',
    'espalier prune model-f16.gguf narrower.gguf --keep 0.85 --calibrate texts.txt',
    'espalier prune model.gguf fewer-words.gguf --vocabulary used --calibrate texts.txt',
    'espalier prune model-f16.gguf sparse.gguf --pattern 2:4 --method wanda --calibrate texts.txt',
  ]);
}

async function run(source: string, output: string, values: Values): Promise<void> {
  refuseIgnored(values);
  const evaluated = values.card === undefined ? undefined : await readTextFile(values.card, values);
  const signal = interruptSignal();
  const progress = progressBar();
  const { method, sparsity, pattern, maxDivergence, keep, keepNeurons, keepHeads, threads, backend } = values;
  try {
    const common = { threads, backend, signal, onProgress: progress.onProgress };
    const layers = values.dropBlocks ?? values.dropLayers;
    const check = async (own: CalibrationOptions) => {
      refuseSameText(evaluated, own.text);
      const { text: calibration, ...windows } = own;
      const recipe = {
        source,
        output,
        calibration: { text: [...values.calibrate!], ...windows },
        stages: [stageOf(values)],
      };
      await runRecipe(recipe, { calibration }, { ...common, dryRun: true });
    };
    const calibration = await readCalibration(source, values, { ...common, check });
    refuseSameText(evaluated, calibration?.text);
    const card = async (name: string, result: object): Promise<readonly string[] | undefined> => {
      if (evaluated !== undefined) {
        const made = await makeCard({
          ...{ source, model: output, stages: [{ name, result }], threads, signal, onProgress: progress.onProgress },
          ...{ text: evaluated, textName: basename(values.card!), maxTokens: values.cardTokens },
          recipe: { ...recipeOf(values), calibration: calibration?.facts },
        });
        const files = await writeCard(made, output);
        progress.stop();
        return files;
      }
      progress.stop();
      return undefined;
    };
    if ((keep ?? keepNeurons ?? keepHeads) !== undefined) {
      if (!calibration)
        throw new OptionError('--calibrate', 'missing', 'a text file, by which neurons and heads are chosen');
      const found = await narrow(source, output, { ...common, keep, keepNeurons, keepHeads, calibration });
      const written = await card('narrow', found);
      if (values.json) return printJson({ ...found, card: written });
      for (const text of found.notes) print(text);
      return printFields({
        output,
        neurons: `${found.neurons[1]} of ${found.neurons[0]} in each block`,
        'key-value heads': `${found.heads[1]} of ${found.heads[0]} in each block`,
        size: bytesForPeople(found.bytes),
        card: written?.join(', '),
      });
    }
    if (values.vocabulary) {
      if (!calibration) throw new OptionError('--calibrate', 'missing', 'text files, whose tokens are kept');
      const found = await cutVocabulary(source, output, { ...common, calibration });
      progress.stop();
      if (values.json) return printJson(found);
      const [before, after] = found.tokens;
      return printFields({ output, tokens: `${after} of ${before}`, size: bytesForPeople(found.bytes) });
    }
    if (layers !== undefined) {
      const options: DropLayersOptions = { ...common, layers, maxDivergence, calibration };
      const found = await dropLayers(source, output, options);
      const written = await card('dropLayers', found);
      if (values.json) return printJson({ ...found, card: written });
      const { divergence } = found;
      return printFields({
        output,
        'dropped blocks': found.dropped.join(', '),
        'KL divergence': divergence && `${divergence.toPrecision(3)} nats per token on held-out text`,
        size: bytesForPeople(found.bytes),
        card: written?.join(', '),
      });
    }
    const result = await prune(source, output, { ...common, ...{ method, sparsity, pattern, calibration } });
    const written = await card('prune', result);
    if (values.json) return printJson({ ...result, card: written });
    for (const { name, notes } of result.tensors) for (const note of notes) print(`${name}: ${note}`);
    printFields({
      output,
      method: result.method,
      zeros: `${(100 * result.sparsity).toFixed(1)}% of ${result.tensors.length} matrices`,
      size: bytesForPeople(result.bytes),
      time: `${result.seconds.toFixed(1)} s`,
      card: written?.join(', '),
    });
  } finally {
    progress.stop();
  }
}

/** Returns the recipe's stage that does what the options ask for. */
function stageOf(values: Values): ShapeStage {
  const { method, sparsity, pattern, dropLayers, dropBlocks, maxDivergence, keep, keepNeurons, keepHeads } = values;
  if (values.vocabulary) return { cutVocabulary: {} };
  if ((keep ?? keepNeurons ?? keepHeads) !== undefined) return { narrow: { keep, keepNeurons, keepHeads } };
  const layers = dropBlocks ? [...dropBlocks] : dropLayers;
  return layers === undefined ? { prune: { method, sparsity, pattern } } : { dropLayers: { layers, maxDivergence } };
}

/** @throws {OptionError} if several ways of pruning are asked for, or an option that the way does not use */
function refuseIgnored(values: Values): void {
  const { sparsity, pattern, dropLayers: layers, dropBlocks, keep, keepNeurons, keepHeads } = values;
  const ways = Object.entries({
    'drop-layers': layers,
    'drop-blocks': dropBlocks,
    keep: keep ?? keepNeurons ?? keepHeads,
    vocabulary: values.vocabulary,
    sparsity: sparsity ?? pattern,
  });
  const [first, second] = ways.filter(([, value]) => value !== undefined);
  if (first && second)
    throw new OptionError(
      `--${first[0]}`,
      String(first[1]),
      `nothing beside it, not --${second[0]}: prune in two steps`,
    );
  const refuse = (name: string, value: unknown, expected: string) => {
    if (value !== undefined) throw new OptionError(`--${name}`, String(value), expected);
  };
  if (first && first[0] !== 'sparsity') refuse('method', values.method, `no value with --${first[0]}`);
  if (values.vocabulary) {
    refuse(
      'card',
      values.card,
      'no value with --vocabulary: a model of fewer tokens cannot be compared with its source',
    );
    if (!values.calibrate?.includes('self'))
      for (const name of ['window', 'windows'] as const)
        refuse(name, values[name], 'no value with --vocabulary, which reads all of the text');
  }
  if (values.card === undefined) refuse('card-tokens', values.cardTokens, '--card to be set too');
  if (layers !== 'auto') refuse('max-divergence', values.maxDivergence, '--drop-layers auto to be set too');
  for (const name of ['calibrate', 'window', 'windows'] as const) {
    if (dropBlocks) refuse(name, values[name], 'no value with --drop-blocks, which names the blocks');
    if (values.method === 'magnitude') refuse(name, values[name], 'no value with --method magnitude');
  }
}

/** Options to make the model again. */
function recipeOf(values: Values): Readonly<Record<string, unknown>> {
  const { method, sparsity, pattern, dropLayers, dropBlocks, maxDivergence, keep, keepNeurons, keepHeads } = values;
  const { window, windows } = values;
  return {
    ...{ method, sparsity, pattern, dropLayers, dropBlocks, maxDivergence, keep, keepNeurons, keepHeads },
    ...{ window, windows },
  };
}

/** Parses '2' and 'auto'. */
function count(text: string): number | 'auto' {
  return text === 'auto' ? text : number(text);
}

/** Parses '3,7'. */
function blockList(text: string): number[] {
  const blocks = text.split(',').map((part) => Number(part.trim() || Number.NaN));
  if (blocks.every((block) => Number.isInteger(block) && block >= 0)) return blocks;
  throw new InvalidArgumentError('Expected indices such as 3,7.');
}
