/**
 * The card of a model that was made smaller: what each tensor became and why, what was lost and how that was measured, how fast it is here, what it
 * writes beside its source, and what is needed to make it again. JSON-safe; cardPage.ts shows it as a page.
 */

import { sha256 } from '#leaf/formats/download/sha256';
import { fileSource } from '#leaf/formats/sources/path';
import { checkpointFolder } from '#leaf/train/checkpoint/folder';
import { OptionError, SourceError } from '../../core/errors.ts';
import type { OnProgress } from '../../core/progress.ts';
import { openCheckpoint } from '../../formats/open.ts';
import { fingerprintOf } from '../../models/fingerprint.ts';
import { load } from '../../runtime/load.ts';
import { type Comparison, compare } from '../compare.ts';
import type { QuantizeResult } from '../quantize.ts';
import { splitPath } from '../writeFile.ts';
import { cardPage } from './cardPage.ts';

export interface Card {
  /** File name, bytes and hash of the model. */
  readonly model: FileFacts;
  readonly source: SourceFacts;
  /** Options that made it, and the hashes of the texts among them. */
  readonly recipe: Readonly<Record<string, unknown>>;
  /** Results of the stages in order, e.g. of `prune`, `quantize` and `tune`: what was tried, kept and lost. */
  readonly stages: readonly StageResult[];
  /** Formats of the tensors, if the model was quantized. */
  readonly result?: QuantizeResult;
  readonly quality: {
    /** Text that was evaluated; not the calibration text. */
    readonly text: TextFacts;
    /** Computed with weights dequantized to F32. */
    readonly exact: true;
    readonly source: Comparison;
    readonly model: Comparison;
  };
  readonly prompts: readonly SideBySide[];
}

export interface StageResult {
  readonly name: string;
  readonly result: object;
}

export interface FileFacts {
  readonly name: string;
  readonly bytes: number;
  readonly sha256: string;
}

/** A file has its hash; a folder, or a model of the network, the fingerprint of its tensors. */
export interface SourceFacts extends Omit<FileFacts, 'sha256'> {
  readonly sha256?: string;
  readonly fingerprint?: string;
}

export interface TextFacts {
  readonly name: string;
  readonly characters: number;
  readonly sha256: string;
}

/** Greedy continuations of a prompt. */
export interface SideBySide {
  readonly prompt: string;
  readonly source: string;
  readonly model: string;
}

export interface CardOptions {
  /** Paths of the source and of the model. */
  readonly source: string;
  readonly model: string;
  /** Results of what made the model, in order. The tensors of the last 'quantize' are shown one by one. */
  readonly stages: readonly StageResult[];
  /** Options that a person would write: the type, the names of files. */
  readonly recipe: Readonly<Record<string, unknown>>;
  /** Text to evaluate, and its name. */
  readonly text: string;
  readonly textName: string;
  /** Maximum number of tokens to evaluate. Default: 8192. */
  readonly maxTokens?: number;
  readonly threads?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: OnProgress;
}

const PROMPTS = 20;
/** Characters of a prompt, and tokens of its continuation. */
const PROMPT_LENGTH = 60;
const CONTINUATION = 32;

/** Measures a model. @throws the errors of `load` and `evaluateText` */
export async function makeCard(options: CardOptions): Promise<Card> {
  const { source, model, stages, recipe, text, textName, maxTokens = 8192, threads, signal, onProgress } = options;
  const result = stages.findLast(({ name }) => name === 'quantize')?.result as QuantizeResult | undefined;
  const measured = await compare(source, [model], { text, maxTokens, exact: true, threads, signal, onProgress });
  const prompts = promptsOf(text);
  const [before, after] = [await continuations(source, prompts, options), await continuations(model, prompts, options)];
  return {
    model: await fileFacts(model),
    source: await sourceFacts(source, signal),
    recipe,
    stages: stages.map(({ name, result }) => ({ name, result: withoutTensors(name, result) })),
    ...(result && { result }),
    quality: { text: textFacts(textName, text), exact: true, source: measured[0], model: measured[1] },
    prompts: prompts.map((prompt, i) => ({ prompt, source: before[i], model: after[i] })),
  };
}

/**
 * @param calibration the text, or several joined by line ends (`joinTexts`)
 * @throws {OptionError} if a model is evaluated on a calibration text, or on whole lines of one: its loss looks smaller there than it is
 */
export function refuseSameText(evaluated: string | undefined, calibration: string | undefined): void {
  if (!evaluated || calibration === undefined || !`\n${calibration}\n`.includes(`\n${evaluated}\n`)) return;
  throw new OptionError(
    'the text of the card',
    'the calibration text',
    'another text, which the model was not fitted to',
  );
}

/** Writes the card as `<model>.card.json` and `<model>.card.html`. @returns their paths @throws {SourceError} */
export async function writeCard(card: Card, model: string): Promise<readonly string[]> {
  const [folder, file] = splitPath(model);
  const stem = file.replace(/\.gguf$/i, '');
  const texts: readonly (readonly [string, string])[] = [
    [`${stem}.card.json`, `${JSON.stringify(card, null, 1)}\n`],
    [`${stem}.card.html`, cardPage(card)],
  ];
  for (const [name, text] of texts)
    await checkpointFolder(folder).replace(name, (sink) => sink.write(new TextEncoder().encode(text)));
  return texts.map(([name]) => (folder === '.' ? name : `${folder}/${name}`));
}

export function textFacts(name: string, text: string): TextFacts {
  const hash = sha256();
  hash.update(new TextEncoder().encode(text));
  return { name, characters: text.length, sha256: hash.hex() };
}

/** The tensors of a quantized model are in the card once. */
function withoutTensors(stage: string, result: object): object {
  if (stage !== 'quantize') return result;
  const { tensors: _, ...facts } = result as QuantizeResult;
  return facts;
}

async function sourceFacts(source: string, signal: AbortSignal | undefined): Promise<SourceFacts> {
  try {
    return await fileFacts(source);
  } catch (error) {
    if (!(error instanceof SourceError)) throw error;
  }
  const opened = await openCheckpoint(source, { signal });
  try {
    const isUrl = /^[a-z]{2,}:/i.test(source);
    const name = isUrl ? opened.name : splitPath(source.replace(/[/\\]+$/, ''))[1];
    return { name, bytes: opened.byteLength, fingerprint: await fingerprintOf(opened) };
  } finally {
    await opened.close();
  }
}

/** Name, size and hash of a file. @throws {SourceError} */
export async function fileFacts(path: string): Promise<FileFacts> {
  const file = await fileSource(path);
  try {
    const hash = sha256();
    const buffer = new Uint8Array(2 ** 22);
    for (let at = 0; at < file.size; at += buffer.length) {
      const length = Math.min(buffer.length, file.size - at);
      await file.read(at, length, buffer);
      hash.update(buffer.subarray(0, length));
    }
    return { name: splitPath(path)[1], bytes: file.size, sha256: hash.hex() };
  } finally {
    await file.close();
  }
}

/** Beginnings of sentences, spread over the text. */
function promptsOf(text: string): string[] {
  return Array.from({ length: PROMPTS }, (_, i) => {
    const from = Math.floor((i * Math.max(0, text.length - 200)) / PROMPTS);
    const start = /[.!?]["”']?\s+(?=\S)/.exec(text.slice(from, from + 1000));
    const at = start && i > 0 ? from + start.index + start[0].length : from;
    const piece = text.slice(at, at + PROMPT_LENGTH);
    // a whole number of words
    return piece.replace(/\s+\S*$/, '') || piece;
  });
}

async function continuations(
  path: string,
  prompts: readonly string[],
  { threads, signal, onProgress }: CardOptions,
): Promise<string[]> {
  const model = await load(path, { threads, signal, onProgress });
  try {
    const found = await model.generateMany(prompts, { temperature: 0, maxTokens: CONTINUATION, signal });
    return found.map(({ text }) => text);
  } finally {
    model.dispose();
  }
}
