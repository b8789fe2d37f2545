/**
 * Runs the stages of a recipe, each on the result of the one before. Results of stages are kept in a folder beside the output, under
 * a hash of everything that they depend on, so that a run that was interrupted continues with the stage that it had not finished.
 */
import { sha256 } from '#leaf/formats/download/sha256';
import { fileSource } from '#leaf/formats/sources/path';
import { checkpointFolder } from '#leaf/train/checkpoint/folder';
import { FormatError, OptionError } from '../../core/errors.ts';
import type { OnProgress } from '../../core/progress.ts';
import { openCheckpoint } from '../../formats/open.ts';
import { textOfFile } from '../../formats/textOfFile.ts';
import { fingerprintOf } from '../../models/fingerprint.ts';
import { inGgufTerms } from '../../models/inGgufTerms.ts';
import { type Card, makeCard, refuseSameText, textFacts, writeCard } from '../card/card.ts';
import type { DecodeMeter } from '../decodeCosts.ts';
import { joinTexts, SELF } from '../joinTexts.ts';
import { cutVocabulary } from '../prune/cutVocabulary.ts';
import { dropLayers } from '../prune/dropLayers.ts';
import { narrow } from '../prune/narrow.ts';
import { prune } from '../prune/prune.ts';
import { type QuantizeOptions, quantize } from '../quantize.ts';
import { rotate } from '../rotate.ts';
import { tune } from '../tune/tune.ts';
import { splitPath } from '../writeFile.ts';
import { distill } from './distill.ts';
import { planStage, type StagePlan } from './planStage.ts';
import { type RotationTrial, rotateIfBetter, typeOfBits } from './rotateIfBetter.ts';
import { parseShapeRecipe, type ShapeRecipe, type ShapeStage } from './schema.ts';

export interface ShapeOptions {
  readonly threads?: number;
  readonly backend?: string;
  /** Tells the cost of a token, for stages `quantize` with a limit on it; see `quantize`. */
  readonly meter?: DecodeMeter;
  /** Plans all stages without writing anything: the results of the stages are plans (StagePlan). */
  readonly dryRun?: boolean;
  readonly signal?: AbortSignal;
  readonly onProgress?: OnProgress;
  /** Called before each stage. */
  readonly onStage?: (name: string, state: 'runs' | 'was done before') => void;
}

export interface ShapeResult {
  /** Path of the model. */
  readonly output: string;
  /** Results of the stages in order, by name. In a dry run: StagePlan. */
  readonly stages: readonly { readonly name: string; readonly result: object }[];
  readonly card?: Card;
  readonly cardFiles: readonly string[];
}

/** @param path of the recipe; relative paths in it are relative to its folder @throws {FormatError} and the errors of the stages */
export async function shape(path: string, options: ShapeOptions = {}): Promise<ShapeResult> {
  const recipe = resolved(parseShapeRecipe(await textOfFile(path), path), splitPath(path)[0]);
  const evaluated = recipe.card && (await textOfFile(recipe.card.text));
  refuseLostZeros(recipe, path);
  refuseOtherVocabulary(recipe, path);
  const run = async (dryRun: boolean) => {
    const calibration = recipe.calibration && (await calibrationText(recipe, options, dryRun));
    refuseSameText(evaluated, calibration);
    return runRecipe(recipe, { calibration, evaluated }, { ...options, dryRun });
  };
  // what cannot work is refused before the model writes a text
  if (!options.dryRun && textsOf(recipe).includes(SELF)) await run(true);
  return run(options.dryRun === true);
}

/** Texts that a recipe names. */
export interface RecipeTexts {
  readonly calibration?: string;
  /** Text of the card. */
  readonly evaluated?: string;
}

/** Runs the stages of a recipe whose texts are read. All stages are planned first, so that what cannot work is refused early. */
export async function runRecipe(
  recipe: ShapeRecipe,
  { calibration: text, evaluated }: RecipeTexts,
  options: ShapeOptions,
): Promise<ShapeResult> {
  const { onStage, signal, dryRun } = options;
  const calibration = text === undefined ? undefined : { ...recipe.calibration, text };
  const context: Context = { recipe, calibration, evaluated, options };
  if (recipe.source === recipe.output)
    throw new OptionError('the output', recipe.output, 'another file than the source');
  const kept = checkpointFolder(`${recipe.output}.stages`);
  const planned = await plans(recipe, calibration, options);
  if (dryRun) return { output: recipe.output, stages: planned, cardFiles: [] };
  const { window, windows } = recipe.calibration ?? {};
  let key = hashOf([await sourceFingerprint(recipe.source, signal), calibration?.text ?? '', window, windows]);
  if (calibration && trainingText(recipe) === joinedText(recipe) && recipe.stages.some((stage) => 'distill' in stage))
    await kept.replace(JOINED, (sink) => sink.write(bytesOf(calibration.text)));
  let current = recipe.source;
  /** The file that the last stage quantize started from. */
  let original: string | undefined;
  let keepZeros = false;
  const done: { name: string; result: object }[] = [];
  for (const [index, stage] of recipe.stages.entries()) {
    signal?.throwIfAborted();
    const trial = calibration && trialTypeOf(recipe.stages, planned, index);
    const device = await limitedDevice(stage, planned[index].result);
    key = hashOf([key, stage, ...[trial, device].filter((part) => part !== undefined)]);
    const name = Object.keys(stage)[0];
    const file = `${index + 1}-${name}-${key.slice(0, 16)}.gguf`;
    const target = `${recipe.output}.stages/${file}`;
    // the result is written behind the model, so the stage is done when both are there
    const found = await kept.list();
    const isDone = found.includes(file) && found.includes(`${file}.json`);
    onStage?.(name, isDone ? 'was done before' : 'runs');
    const result = isDone
      ? (JSON.parse(await textOfFile(`${target}.json`)) as object)
      : await runStage(stage, current, target, {
          ...context,
          original,
          keepZeros,
          trial,
        });
    if (!isDone) await kept.replace(`${file}.json`, (sink) => sink.write(bytesOf(JSON.stringify(result))));
    done.push({ name, result });
    if (name === 'quantize') original = current;
    keepZeros = keepsZeros(stage, keepZeros);
    // a rotation that is not better is passed over
    if (!('rotate' in stage) || (result as RotationTrial).isRotated) current = target;
  }
  await copy(current, recipe.output, signal);
  const card = recipe.card && (await cardOf(context, done));
  const cardFiles = card ? await writeCard(card, recipe.output) : [];
  for (const file of await kept.list()) await kept.remove(file);
  return { output: recipe.output, stages: done, card, cardFiles };
}

interface Context {
  readonly recipe: ShapeRecipe;
  readonly calibration?: QuantizeOptions['calibration'];
  /** Text of the card. */
  readonly evaluated?: string;
  readonly options: ShapeOptions;
  /** The file that the current model was quantized from. */
  readonly original?: string;
  /** True if the current model was pruned, and its zeros are kept. */
  readonly keepZeros?: boolean;
  /** Type in which a rotation is tried. Absent if it is not tried. */
  readonly trial?: string;
}

async function plans(
  { source, stages }: ShapeRecipe,
  calibration: QuantizeOptions['calibration'],
  { meter, threads, signal, onProgress }: ShapeOptions,
): Promise<{ name: string; result: StagePlan }[]> {
  const opened = await openCheckpoint(source, { signal, onProgress });
  try {
    let current = inGgufTerms(opened);
    const found: { name: string; result: StagePlan }[] = [];
    let keepZeros = false;
    for (const stage of stages) {
      const { plan, to } = await planStage(stage, current, calibration, keepZeros, {
        ...{ meter, threads, signal, onProgress },
      });
      keepZeros = keepsZeros(stage, keepZeros);
      found.push({ name: Object.keys(stage)[0], result: plan });
      current = to;
    }
    return found;
  } finally {
    await opened.close();
  }
}

async function runStage(stage: ShapeStage, from: string, to: string, context: Context): Promise<object> {
  const { recipe, calibration, keepZeros } = context;
  const { threads, backend, signal, onProgress } = context.options;
  const common = { threads, backend, signal, onProgress };
  if ('quantize' in stage) {
    const { calibrate, tensorTypes, ...rest } = stage.quantize;
    return quantize(from, to, {
      ...common,
      meter: context.options.meter,
      keepZeros,
      ...rest,
      tensorTypes: tensorTypes && Object.entries(tensorTypes),
      ...(calibrate && calibration && { calibration }),
    });
  }
  if ('dropLayers' in stage) return dropLayers(from, to, { ...common, ...stage.dropLayers, calibration });
  if ('cutVocabulary' in stage) return cutVocabulary(from, to, { signal, onProgress, calibration: calibration! });
  if ('narrow' in stage) return narrow(from, to, { ...common, ...stage.narrow, calibration: calibration! });
  if ('rotate' in stage) {
    const { seed } = stage.rotate;
    if (context.trial !== undefined) {
      const { text, window } = calibration!;
      return rotateIfBetter(from, to, { ...common, seed, text, window, type: context.trial });
    }
    await rotate(from, to, { seed, signal });
    return { isRotated: true } satisfies RotationTrial;
  }
  if ('distill' in stage) {
    const text = trainingText(recipe)!;
    const folder = `${recipe.output}.training`;
    return distill(recipe.source, from, to, { ...stage.distill, text, keepZeros, folder, threads, signal, onProgress });
  }
  if ('prune' in stage) return prune(from, to, { ...common, ...stage.prune, calibration });
  return tune(recipe.source, from, to, {
    ...common,
    ...stage.tune,
    keepZeros,
    // a source that was quantized before has no other values than its own
    original: context.original ?? from,
    text: calibration!.text,
    window: calibration!.window,
  });
}

/** File name of several calibration texts, or of what the source has written, in the folder of the stages. */
const JOINED = 'calibration.txt';

const joinedText = ({ output }: ShapeRecipe): string => `${output}.stages/${JOINED}`;

const textsOf = ({ calibration }: ShapeRecipe): readonly string[] => [calibration?.text ?? []].flat();

/** Path of the calibration text for training. */
function trainingText(recipe: ShapeRecipe): string | undefined {
  const [first, ...others] = textsOf(recipe);
  return first === undefined || (others.length === 0 && first !== SELF) ? first : joinedText(recipe);
}

function calibrationText(
  recipe: ShapeRecipe,
  { threads, signal, onProgress }: ShapeOptions,
  hasPlaceholder: boolean,
): Promise<string> {
  const { window, windows } = recipe.calibration!;
  const common = { window, windows, threads, signal, onProgress };
  return joinTexts(recipe.source, textsOf(recipe), { read: textOfFile, hasPlaceholder, ...common });
}

async function cardOf(context: Context, stages: Card['stages']): Promise<Card> {
  const { recipe, evaluated: text = '', options } = context;
  const { threads, signal, onProgress } = options;
  const { window, windows } = recipe.calibration ?? {};
  const calibration =
    context.calibration &&
    textFacts(
      textsOf(recipe)
        .map((name) => splitPath(name)[1])
        .join(' + '),
      context.calibration.text,
    );
  return makeCard({
    ...{ source: recipe.source, model: recipe.output, stages, threads, signal, onProgress },
    ...{ text, textName: splitPath(recipe.card!.text)[1], maxTokens: recipe.card!.maxTokens },
    recipe: { stages: recipe.stages, window, windows, calibration },
  });
}

async function copy(from: string, to: string, signal?: AbortSignal): Promise<void> {
  const [folder, file] = splitPath(to);
  const source = await fileSource(from);
  try {
    await checkpointFolder(folder).replace(file, async (sink) => {
      const buffer = new Uint8Array(2 ** 22);
      for (let at = 0; at < source.size; at += buffer.length) {
        signal?.throwIfAborted();
        const length = Math.min(buffer.length, source.size - at);
        await source.read(at, length, buffer);
        await sink.write(buffer.subarray(0, length));
      }
    });
  } finally {
    await source.close();
  }
}

function resolved(recipe: ShapeRecipe, folder: string): ShapeRecipe {
  const beside = (path: string) => (/^(?:[/\\]|[a-z]:[/\\]|https?:|hf:)/i.test(path) ? path : `${folder}/${path}`);
  const { source, output, calibration, card } = recipe;
  const stages = recipe.stages.map((stage) =>
    'quantize' in stage && stage.quantize.device !== undefined
      ? { quantize: { ...stage.quantize, device: beside(stage.quantize.device) } }
      : stage,
  );
  return {
    ...recipe,
    stages,
    ...{ source: beside(source), output: beside(output) },
    ...(calibration && {
      calibration: {
        ...calibration,
        text: [calibration.text].flat().map((name) => (name === SELF ? name : beside(name))),
      },
    }),
    ...(card && { card: { ...card, text: beside(card.text) } }),
  };
}

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);

function hashOf(value: unknown): string {
  const hash = sha256();
  hash.update(bytesOf(JSON.stringify(value)));
  return hash.hex();
}

async function sourceFingerprint(source: string, signal?: AbortSignal): Promise<string> {
  const opened = await openCheckpoint(source, { signal });
  try {
    return await fingerprintOf(opened);
  } finally {
    await opened.close();
  }
}

/** Returns the content of a device's file, or the name of this device: a limit on a token depends on it. */
async function limitedDevice(stage: ShapeStage, { decode }: StagePlan): Promise<string | undefined> {
  const device = 'quantize' in stage ? stage.quantize.device : undefined;
  return device === undefined ? decode?.device : textOfFile(device);
}

/** Type of the next stage quantize, in which a stage rotate is tried; undefined: the stage is none, or is not tried. */
function trialTypeOf(
  stages: readonly ShapeStage[],
  plans: readonly { readonly result: StagePlan }[],
  index: number,
): string | undefined {
  const stage = stages[index];
  const next = stages.findIndex((other, i) => i > index && 'quantize' in other);
  const later = stages[next];
  if (!('rotate' in stage) || stage.rotate.always || !later || !('quantize' in later)) return undefined;
  return later.quantize.type ?? later.quantize.like ?? typeOfBits(plans[next].result.bitsPerWeight!);
}

/** True if the weights that a stage prune set to 0 are to be 0 behind a stage. */
const keepsZeros = (stage: ShapeStage, before: boolean): boolean =>
  'prune' in stage || ('quantize' in stage ? (stage.quantize.keepZeros ?? before) : before);

/** @throws {FormatError} if the source is compared with a model that has fewer tokens */
function refuseOtherVocabulary({ stages, card }: ShapeRecipe, file: string): void {
  const cut = stages.findIndex((stage) => 'cutVocabulary' in stage);
  if (cut < 0) return;
  const compared = stages.slice(cut + 1).find((stage) => 'distill' in stage || 'tune' in stage);
  const what = compared ? `the stage ${Object.keys(compared)[0]} after cutVocabulary` : card && 'a card';
  const advice = compared ? `put it before cutVocabulary` : 'leave the card or cutVocabulary out';
  if (what) throw new FormatError(file, `has ${what}, which compares with the source's whole vocabulary: ${advice}`);
}

/** @throws {FormatError} if a stage behind a stage prune would fill its zeros */
function refuseLostZeros({ stages }: ShapeRecipe, file: string): void {
  const pruned = stages.findIndex((stage) => 'prune' in stage);
  const filling = stages.slice(pruned + 1).find((stage) => 'rotate' in stage || 'narrow' in stage);
  if (pruned < 0 || !filling) return;
  const [name] = Object.keys(filling);
  throw new FormatError(file, `has the stage ${name} after prune, whose zeros it would fill: put ${name} before prune`);
}
