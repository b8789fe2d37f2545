/** `espalier quantize`: quantizes a model to a GGUF file. */
import { basename } from 'node:path';
import { Command, InvalidArgumentError } from 'commander';
import {
  type CalibrationOptions,
  fileFacts,
  fileTypes,
  limitLine,
  makeCard,
  type QuantizedTensor,
  type QuantizeResult,
  quantize,
  refuseSameText,
  runRecipe,
  type ShapeRecipe,
  type StagePlan,
  type TuneResult,
  writeCard,
} from '../../compress/index.ts';
import { type BackendName, OptionError } from '../../index.ts';
import { decodeMeter } from '../../search/index.ts';
import { addCalibrationOptions, type CalibrationValues, readCalibration } from '../calibration.ts';
import { interruptSignal } from '../interrupt.ts';
import { addComputeOptions, examples, number } from '../options.ts';
import { bytesForPeople, print, printFields, printJson, printTable } from '../output.ts';
import { progressBar } from '../progressBar.ts';
import { readTextFile } from '../textInput.ts';

interface Values extends CalibrationValues {
  readonly type?: string;
  readonly targetBits?: number;
  readonly maxBytes?: number;
  readonly like?: string;
  readonly maxMs?: number;
  readonly maxJoules?: number;
  readonly device?: string;
  readonly generations?: number;
  readonly imatrix?: string;
  readonly tensorType?: readonly (readonly [string, string])[];
  readonly outputTensorType?: string;
  readonly tokenEmbeddingType?: string;
  readonly pure?: boolean;
  readonly nested?: boolean;
  readonly keepZeros?: boolean;
  readonly allowRequantize?: boolean;
  readonly dryRun?: boolean;
  readonly tensors?: boolean;
  readonly tune?: number;
  readonly tuneWeights?: boolean;
  readonly card?: string;
  readonly cardTokens?: number;
  readonly threads?: number;
  readonly backend: BackendName;
  readonly json?: boolean;
}

export function quantizeCommand(): Command {
  const command = addComputeOptions(new Command('quantize'))
    .description(
      'Quantize a model to a GGUF file that llama.cpp loads. With a calibration text, rounding errors are compensated; an interrupted run continues when it is started again.',
    )
    .argument('<model>', 'GGUF file or Hugging Face folder in F32, F16 or BF16: path, URL or hf:owner/repo')
    .argument('<output>', 'GGUF file to write')
    .option('--type <name>', 'type of the file, with the mixtures of llama-quantize, e.g. Q4_K_M')
    .option('--target-bits <number>', 'instead of a type: average bits per weight, put where they matter most', number)
    .option('--max-bytes <size>', 'instead of a type: size of the file, e.g. 250M', size)
    .option('--like <type>', "instead of a type: as many bytes as this type's mixture takes, e.g. Q4_K_M")
    .option(
      '--max-ms <milliseconds>',
      'instead of a type: predicted time of a token after 256 others, with --threads or the fastest number, by what the WebAssembly kernels cost on this device; they are measured once per format',
      number,
    )
    .option(
      '--max-joules <joules>',
      'instead of a type: energy of a token; on this device it is modelled from time, bytes and multiply-adds, within a factor of 20',
      number,
    )
    .option(
      '--device <file>',
      'with --max-ms or --max-joules: JSON file that describes the device, see recipes/devices; the model must fit into its memory',
    )
    .option(
      '--generations <count>',
      'with a budget of bits, bytes, time or energy: generations of the evolution of formats (default: 12; 0: none)',
      number,
    )
    .option('--imatrix <path>', 'importance matrix (GGUF) of llama-imatrix or espalier imatrix; faster, gains less')
    .option('--tensor-type <regex=format>', 'format of the tensors that match; may be repeated', tensorType)
    .option('--output-tensor-type <format>', 'format of the output matrix')
    .option('--token-embedding-type <format>', 'format of the token embedding')
    .option('--pure', "one format for all matrices instead of llama-quantize's mixture")
    .option('--nested', 'with --type Q4_0: one file of the size of Q8_0 that Espalier reads at 4 bits or at 8 (--bits)')
    .option('--keep-zeros', 'keep weights that are 0 at 0, for pruned models; needs formats with an exact zero')
    .option('--allow-requantize', 'accept a source that is already quantized')
    .option('--dry-run', 'show formats, bytes, memory and time without writing a file; formats in a budget are guessed')
    .option('--tensors', 'list every tensor with its format, method and error')
    .option('--tune <steps>', 'then train the scales for so many updates on the calibration text, e.g. 200', number)
    .option(
      '--tune-weights',
      'train the weights behind the integers, not the scales alone (quantization-aware training); for 3 bits and less',
    )
    .option('--card <path>', 'measure what was lost on this text file, and write it beside the output as HTML and JSON')
    .option('--card-tokens <count>', 'maximum number of tokens to measure for the card (default: 8192)', number)
    .option('--json', 'print one JSON object on the last line')
    .action(run);
  const purpose = 'text like the texts that the model will see; takes minutes and halves the loss';
  return examples(addCalibrationOptions(command, purpose), [
    'espalier quantize model-f16.gguf model-q4.gguf --type Q4_K_M --calibrate texts.txt',
    'espalier quantize SmolLM2-135M/ small.gguf --type Q4_0 --imatrix imatrix.gguf',
    'espalier quantize model-f16.gguf nested.gguf --type Q4_0 --nested --calibrate texts.txt',
    'espalier quantize model.gguf small.gguf --max-bytes 250M --calibrate texts.txt --card held-out.txt',
    'espalier quantize model.gguf quick.gguf --max-ms 20 --calibrate texts.txt',
    'espalier quantize model.gguf out.gguf --type Q3_K_M --tensor-type ffn_down=q5_k --dry-run --tensors',
  ]).addHelpText('after', `\nTypes: ${fileTypes.map(({ name }) => name).join(', ')}`);
}

async function run(source: string, output: string, values: Values): Promise<void> {
  const signal = interruptSignal();
  const progress = progressBar();
  const { type, targetBits, maxBytes, like, maxMs, maxJoules, device } = values;
  const { generations, outputTensorType, tokenEmbeddingType } = values;
  const { window, windows, imatrix, tensorType, tune: steps } = values;
  const { pure, nested, keepZeros, allowRequantize, dryRun, threads, backend } = values;
  refuseUselessOptions(values);
  const evaluated = values.card === undefined ? undefined : await readTextFile(values.card, values);
  const how = {
    ...{ type, targetBits, maxBytes, like, maxMs, maxJoules, device },
    ...{ generations, outputTensorType, tokenEmbeddingType, pure, keepZeros, allowRequantize },
  };
  const common = { threads, backend, meter: decodeMeter(), signal, onProgress: progress.onProgress };
  const options = { ...how, ...common, imatrix, nested, tensorTypes: tensorType };
  const recipe = steps === undefined ? undefined : tunedRecipe(source, output, values, how);
  const plan = async (calibration: CalibrationOptions | undefined): Promise<QuantizeResult> => {
    refuseSameText(evaluated, calibration?.text);
    const planned = await quantize(source, output, { ...options, calibration, dryRun: true });
    if (!recipe || !calibration) return planned;
    const { stages } = await runRecipe(recipe, { calibration: calibration.text }, { ...common, dryRun: true });
    const plans = stages.map((stage) => stage.result as StagePlan);
    const memoryBytes = Math.max(...plans.map((each) => each.memoryBytes));
    return { ...planned, memoryBytes, seconds: plans.reduce((sum, { seconds }) => sum + seconds, 0) };
  };
  try {
    const calibration = await readCalibration(source, values, { ...common, dryRun, check: plan });
    const text = calibration?.text;
    refuseSameText(evaluated, text);
    let result: QuantizeResult;
    let tuned: TuneResult | undefined;
    if (dryRun) result = await plan(calibration);
    else if (!recipe || text === undefined) result = await quantize(source, output, { ...options, calibration });
    else {
      // stages of a recipe, so that the output is there only when it is tuned, and an interrupted run continues
      const { stages } = await runRecipe(recipe, { calibration: text }, common);
      [result, tuned] = stages.map((stage) => stage.result) as [QuantizeResult, TuneResult];
    }
    const paths: string[] = [];
    if (evaluated !== undefined && !dryRun) {
      const card = await makeCard({
        ...{ source, model: output, threads, signal, onProgress: progress.onProgress },
        stages: [{ name: 'quantize', result }, ...(tuned ? [{ name: 'tune', result: tuned }] : [])],
        ...{ text: evaluated, textName: basename(values.card!), maxTokens: values.cardTokens },
        recipe: {
          ...{ ...how, window, windows, tensorType, nested },
          imatrix: imatrix && (await fileFacts(imatrix)),
          device: device && (await fileFacts(device)),
          tune: steps,
          tuneWeights: values.tuneWeights,
          calibration: calibration?.facts,
        },
      });
      paths.push(...(await writeCard(card, output)));
    }
    progress.stop();
    if (values.tensors) printTable(['tensor', 'shape', 'format', 'bytes', 'method', 'error'], result.tensors.map(row));
    if (values.json) return printJson({ ...result, ...(tuned && { tuned }), ...(paths.length > 0 && { card: paths }) });
    for (const { name, notes = [] } of result.tensors) for (const text of notes) print(`${name}: ${text}`);
    printFields({
      ...summary(output, result, dryRun),
      tuned: tuned && describeTuning(tuned),
      card: paths.join(', ') || undefined,
    });
  } finally {
    progress.stop();
  }
}

/** @throws {OptionError} for options that have no effect without others */
function refuseUselessOptions(values: Values): void {
  const needed = [
    ['--tune', values.tune, '--calibrate', values.calibrate],
    ['--tune-weights', values.tuneWeights, '--tune', values.tune],
    ['--card-tokens', values.cardTokens, '--card', values.card],
  ] as const;
  for (const [option, value, other, found] of needed)
    if (value !== undefined && found === undefined) throw new OptionError(option, value, `${other} to be set too`);
  if (values.imatrix !== undefined && values.calibrate !== undefined)
    throw new OptionError('--imatrix', values.imatrix, 'no value beside --calibrate: use one of them');
  if (values.tune !== undefined && values.nested)
    throw new OptionError('--tune', values.tune, 'nothing with --nested, whose planes share their scales');
  if (values.tune !== undefined && !(Number.isInteger(values.tune) && values.tune > 0))
    throw new OptionError('--tune', values.tune, 'a whole number of updates, at least 1');
}

function tunedRecipe(source: string, output: string, values: Values, how: object): ShapeRecipe {
  const { calibrate = [], window, windows, tensorType, tune: steps = 0, tuneWeights } = values;
  const isFirst = ([pattern]: readonly [string, string], i: number) =>
    tensorType!.findIndex(([other]) => other === pattern) === i;
  const tensorTypes = tensorType && Object.fromEntries(tensorType.filter(isFirst));
  const train = tuneWeights ? 'weights' : 'scales';
  return {
    ...{ source, output, calibration: { text: [...calibrate], window, windows } },
    stages: [{ quantize: { ...how, tensorTypes, calibrate: true } }, { tune: { train, steps, learningRate: 0.002 } }],
  };
}

function summary(output: string, result: QuantizeResult, dryRun = false): Record<string, unknown> {
  const { type, bytes, bitsPerWeight, memoryBytes, seconds, tensors } = result;
  const methods = new Map<string, number>();
  for (const { method = 'planned' } of tensors) methods.set(method, (methods.get(method) ?? 0) + 1);
  return {
    output: dryRun ? `${output} (not written)` : output,
    type,
    size: `${bytesForPeople(bytes)}, ${bitsPerWeight.toFixed(2)} bits per weight`,
    tensors: [...methods].map(([method, count]) => `${count} ${method}`).join(', '),
    limit: result.decode && limitLine(result.decode),
    memory: `at most about ${bytesForPeople(memoryBytes)}`,
    time: dryRun ? `roughly ${Math.ceil(seconds)} s` : `${seconds.toFixed(1)} s`,
  };
}

function describeTuning({ before, after, isImproved, steps, untrained }: TuneResult): string {
  const change = `divergence ${before.toExponential(3)} → ${after.toExponential(3)} on held-out windows`;
  const left = untrained.length > 0 ? `; ${untrained.length} matrices in codebook formats were not trained` : '';
  return (isImproved ? `${steps} updates, ${change}` : `not used: ${change}`) + left;
}

function row({ name, shape, format, hasLowPlane, bytes, method, errors = {} }: QuantizedTensor): string[] {
  const error = method && errors[method];
  const shown = hasLowPlane ? `${format} + low plane` : format;
  const cells = [name, `[${shape.join(', ')}]`, shown, String(bytes), method ?? ''];
  return [...cells, error === undefined ? '' : error.toExponential(2)];
}

/** Parses '250M': k, M and G are powers of 1000. */
function size(text: string): number {
  const [, digits = '', unit = ''] = /^(\d+(?:\.\d+)?)([kMG]?)B?$/i.exec(text.trim()) ?? [];
  if (digits === '') throw new InvalidArgumentError('Expected a size such as 250M.');
  return Math.floor(Number(digits) * 1000 ** ['', 'k', 'm', 'g'].indexOf(unit.toLowerCase()));
}

/** Parses 'ffn_down=q5_k'. */
function tensorType(text: string, before: readonly (readonly [string, string])[] = []) {
  const at = text.lastIndexOf('=');
  if (at <= 0 || at === text.length - 1) throw new InvalidArgumentError('Expected REGEX=FORMAT.');
  return [...before, [text.slice(0, at), text.slice(at + 1)] as const];
}
