/** Texts of a client, for `model.openData`. */
import { fileSource } from '#leaf/formats/sources/path';
import type { WeightedText } from '../../train/data/dataset.ts';

/** @param paths paths or URLs of text files in UTF-8 */
export function textsOf(paths: readonly string[]): WeightedText[] {
  return paths.map((path) => ({ weight: 1, open: () => fileSource(path) }));
}
