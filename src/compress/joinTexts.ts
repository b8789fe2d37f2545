/** Calibration texts by name: files, and a text that the model writes itself. */
import { OptionError } from '../core/errors.ts';
import type { CheckpointSource } from '../formats/open.ts';
import { type SampleTextOptions, sampleText } from './sampleText.ts';

export interface JoinTextsOptions extends SampleTextOptions {
  /** Reads a text file. */
  readonly read: (path: string) => Promise<string>;
}

/** Name of the text that the model writes. */
export const SELF = 'self';

/**
 * Reads texts and joins them. The text 'self' is written by the model; beside files it takes half of the windows and comes first.
 * @param names paths of files, and 'self' @throws {OptionError} for a name that is given twice, and the errors of `sampleText` and `read`
 */
export async function joinTexts(
  source: CheckpointSource,
  names: readonly string[],
  { read, ...options }: JoinTextsOptions,
): Promise<string> {
  const twice = names.find((name, i) => names.indexOf(name) < i);
  if (twice !== undefined) throw new OptionError('the calibration texts', `${twice}, twice`, 'each text once');
  const texts = await Promise.all(names.filter((name) => name !== SELF).map(read));
  if (!names.includes(SELF)) return texts.join('\n');
  const { windows = 128 } = options;
  const own = texts.length === 0 ? windows : Math.max(2, Math.ceil(windows / 2));
  return [await sampleText(source, { ...options, windows: own }), ...texts].join('\n');
}
