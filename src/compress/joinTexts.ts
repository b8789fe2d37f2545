/** Calibration texts by name: files, and a text that the model writes itself. */
import { OptionError } from '../core/errors.ts';
import type { CheckpointSource } from '../formats/open.ts';
import { checkWindows } from './calibrationText.ts';
import { type SampleTextOptions, sampleText } from './sampleText.ts';

export interface JoinTextsOptions extends SampleTextOptions {
  /** Reads a text file. */
  readonly read: (path: string) => Promise<string>;
  /** For plans: a placeholder of the same length stands for the text that the model writes, which takes minutes. */
  readonly hasPlaceholder?: boolean;
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
  { read, hasPlaceholder, ...options }: JoinTextsOptions,
): Promise<string> {
  const twice = names.find((name, i) => names.indexOf(name) < i);
  if (twice !== undefined) throw new OptionError('the calibration texts', `${twice}, twice`, 'each text once');
  const texts = await Promise.all(names.filter((name) => name !== SELF).map(read));
  if (!names.includes(SELF)) return texts.join('\n');
  const { windows = 128 } = options;
  const own = texts.length === 0 ? windows : Math.max(2, Math.ceil(windows / 2));
  const sampled = { ...options, windows: own };
  return [hasPlaceholder ? placeholder(sampled) : await sampleText(source, sampled), ...texts].join('\n');
}

function placeholder({ window = 512, windows = 128 }: SampleTextOptions): string {
  checkWindows({ window, windows });
  return `${'a '.repeat(window)}\n`.repeat(windows);
}
