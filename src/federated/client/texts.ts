/** Texts of a client, for `model.openData`. */
import { fileSource } from '#leaf/formats/sources/path';
import { blobSource } from '../../formats/sources/blob.ts';
import type { WeightedText } from '../../train/data/dataset.ts';

/** @param texts paths or URLs of text files in UTF-8, or files that the user chose */
export function textsOf(texts: readonly (string | Blob)[]): WeightedText[] {
  return texts.map((text) => ({
    weight: 1,
    open: async () => (typeof text === 'string' ? fileSource(text) : blobSource(text)),
  }));
}
