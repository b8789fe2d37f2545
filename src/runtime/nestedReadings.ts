/** The submodels of a file with nested bits or widths, as views of the file. */
import { OptionError } from '../core/errors.ts';
import type { Checkpoint } from '../formats/checkpoint.ts';
import { atBits, hasNestedBits } from '../models/nestedBits.ts';
import { atWidth, widthIndex, widthsOf } from '../models/nestedWidths.ts';
import { type Reading, type Selection, WHOLE } from './submodels.ts';

/** Quality at 4 bits, and what the loss of all neurons would cost. */
const [FOUR_BITS, NEURONS] = [0.98, 0.2];

/** @returns the largest first @throws {OptionError} for bits or a width that the file does not have */
export function nestedReadings(
  file: Checkpoint,
  { bits, width, isAlone = false }: Selection,
): readonly [Reading, ...Reading[]] {
  const widths = isAlone && width === undefined ? undefined : widthsOf(file);
  const isNested = hasNestedBits(file);
  if (bits !== undefined && !isNested)
    throw new OptionError('bits', bits, `nothing for ${file.name}, which has no nested bits`);
  const indices = width === undefined ? [...(widths?.keys() ?? [0])].reverse() : [widthIndex(file, widths, width)];
  const allBits = bits !== undefined || !isNested ? [bits] : isAlone ? ([8] as const) : ([8, 4] as const);
  const readings = indices.flatMap((index) =>
    allBits.map((each): Reading => {
      const share = widths ? widths[index] / widths.at(-1)! : 1;
      const named = [each && `${each} bits`, share < 1 && `${Math.round(100 * share)}% of the neurons`];
      const plain = each ? atBits(file, each) : file;
      const quality = (each === 4 && bits === undefined ? FOUR_BITS : 1) * (1 - NEURONS * (1 - share));
      const checkpoint = widths ? atWidth(plain, widths, index) : plain;
      return { name: named.filter(Boolean).join(', ') || WHOLE, quality, checkpoint };
    }),
  );
  const [largest, ...others] = readings.sort((a, b) => b.quality - a.quality);
  return [largest, ...others];
}
