/** Cuts a calibration text into windows of tokens, as llama-imatrix does. */
import { OptionError } from '../core/errors.ts';
import { checkOptions, wholeNumber } from '../runtime/checkOptions.ts';
import { firstIds } from '../tokenizer/firstIds.ts';
import type { Tokenizer } from '../tokenizer/tokenizer.ts';

export interface Windows {
  /** Windows of `size` tokens, one after another. */
  readonly tokens: Int32Array;
  readonly size: number;
  readonly count: number;
}

export interface WindowOptions {
  /** Tokens per window. */
  readonly size: number;
  /** Maximum number of windows. */
  readonly count: number;
  /** Number of ids that the model has. */
  readonly vocabulary: number;
}

/** @throws {OptionError} if a number of windows or tokens is not a whole number of at least 2 */
export function checkWindows(options: { readonly window?: number; readonly windows?: number }): void {
  checkOptions(options, { window: wholeNumber(2), windows: wholeNumber(2) });
}

/** @throws {OptionError} if the text is shorter than two windows, or has tokens that the model does not have */
export function calibrationWindows(text: string, tokenizer: Tokenizer, options: WindowOptions): Windows {
  const { size, vocabulary } = options;
  checkWindows({ window: size, windows: options.count });
  const ids = firstIds(tokenizer, text, options.count * size, { special: false, addEos: false });
  const count = Math.min(options.count, Math.floor(ids.length / size));
  if (count < 2)
    throw new OptionError('the calibration text', `${ids.length} tokens long`, `at least 2 windows of ${size} tokens`);
  const tokens = Int32Array.from(ids.slice(0, count * size));
  const outside = tokens.find((id) => id >= vocabulary);
  if (outside !== undefined)
    throw new OptionError(
      'the calibration text',
      `text with token ${outside}`,
      `tokens below ${vocabulary}, which the model has`,
    );
  if (tokenizer.addBos && tokenizer.bos !== undefined)
    for (let window = 0; window < count; window++) tokens[window * size] = tokenizer.bos;
  return { tokens, size, count };
}
