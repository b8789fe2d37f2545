/** Options of commands that calibrate: their texts, which may be files and the model's own, and the windows that they are cut into. */
import { basename } from 'node:path';
import type { Command } from 'commander';
import { type CalibrationOptions, joinTexts, SELF, type TextFacts, textFacts } from '../compress/index.ts';
import { OptionError, type Progress } from '../index.ts';
import { collect, number } from './options.ts';
import { addEncodingOption, readTextFile, type TextValues } from './textInput.ts';

export interface CalibrationValues extends TextValues {
  readonly calibrate?: readonly string[];
  readonly window?: number;
  readonly windows?: number;
}

/** @param purpose what the text is for, in the help @param flag name of the option of the text */
export function addCalibrationOptions(command: Command, purpose: string, flag = '--calibrate'): Command {
  return addEncodingOption(command)
    .option(
      `${flag} <path>`,
      `${purpose}: a text file, or "self", which the model writes; may be repeated, and "self" beside files is half of the windows`,
      collect,
    )
    .option('--window <tokens>', 'tokens per calibration window (default: 512, at most the trained context)', number)
    .option('--windows <count>', 'maximum number of calibration windows (default: 128)', number);
}

interface Run {
  /** Does not let the model write a text: a placeholder of the same length stands for it. */
  readonly dryRun?: boolean;
  /** Checks the other options before the model writes a text, which takes minutes. The calibration has a placeholder for it. */
  readonly check?: (calibration: CalibrationOptions) => Promise<unknown>;
  readonly threads?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: Progress) => void;
}

/** Reads the texts of the options. @returns undefined without a text @throws {OptionError} for windows without a text */
export async function readCalibration(
  source: string,
  values: CalibrationValues,
  { dryRun = false, check, ...run }: Run,
): Promise<(CalibrationOptions & { readonly facts: TextFacts }) | undefined> {
  const { calibrate: names = [], window, windows } = values;
  if (names.length === 0) {
    for (const [name, value] of Object.entries({ window, windows }))
      if (value !== undefined) throw new OptionError(`--${name}`, value, '--calibrate to be set too');
    return undefined;
  }
  const read = (path: string) => readTextFile(path, values);
  const joined = (hasPlaceholder: boolean) =>
    joinTexts(source, names, { ...run, window, windows, hasPlaceholder, read });
  if (check && !dryRun && names.includes(SELF)) await check({ text: await joined(true), window, windows });
  const text = await joined(dryRun);
  return { text, window, windows, facts: textFacts(names.map((name) => basename(name)).join(' + '), text) };
}
