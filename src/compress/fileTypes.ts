/** Types of quantized files by the names that llama-quantize takes, e.g. 'Q4_K_M'. */
import { UnsupportedError } from '../core/errors.ts';

export interface FileType {
  readonly name: string;
  /** Value of general.file_type in GGUF. */
  readonly id: number;
  /** Format of the matrices, where the mixture does not choose another one. */
  readonly format: string;
}

/** [name, id, format] */
const known: readonly (readonly [string, number, string])[] = [
  ['F32', 0, 'F32'],
  ['F16', 1, 'F16'],
  ['BF16', 32, 'BF16'],
  ['Q8_0', 7, 'Q8_0'],
  ['Q4_0', 2, 'Q4_0'],
  ['Q4_1', 3, 'Q4_1'],
  ['Q5_0', 8, 'Q5_0'],
  ['Q5_1', 9, 'Q5_1'],
  ['Q6_K', 18, 'Q6_K'],
  ['Q5_K_S', 16, 'Q5_K'],
  ['Q5_K_M', 17, 'Q5_K'],
  ['Q4_K_S', 14, 'Q4_K'],
  ['Q4_K_M', 15, 'Q4_K'],
  ['Q3_K_S', 11, 'Q3_K'],
  ['Q3_K_M', 12, 'Q3_K'],
  ['Q3_K_L', 13, 'Q3_K'],
  ['Q2_K', 10, 'Q2_K'],
  ['Q2_K_S', 21, 'Q2_K'],
  ['IQ4_NL', 25, 'IQ4_NL'],
  ['IQ4_XS', 30, 'IQ4_XS'],
  ['IQ3_M', 27, 'IQ3_S'],
  ['IQ3_S', 26, 'IQ3_S'],
  ['IQ3_XS', 22, 'IQ3_S'],
  ['IQ3_XXS', 23, 'IQ3_XXS'],
  ['IQ2_M', 29, 'IQ2_S'],
  ['IQ2_S', 28, 'IQ2_XS'],
  ['IQ2_XS', 20, 'IQ2_XS'],
  ['IQ2_XXS', 19, 'IQ2_XXS'],
  ['IQ1_M', 31, 'IQ1_M'],
  ['IQ1_S', 24, 'IQ1_S'],
  ['TQ1_0', 36, 'TQ1_0'],
  ['TQ2_0', 37, 'TQ2_0'],
];

const aliases: Readonly<Record<string, string>> = { Q3_K: 'Q3_K_M', Q4_K: 'Q4_K_M', Q5_K: 'Q5_K_M' };

export const fileTypes: readonly FileType[] = known.map(([name, id, format]) => ({ name, id, format }));

/** @param name in upper or lower case @throws {UnsupportedError} that lists the names */
export function fileTypeByName(name: string): FileType {
  const wanted = name.toUpperCase();
  const found = fileTypes.find((type) => type.name === (aliases[wanted] ?? wanted));
  if (found) return found;
  throw new UnsupportedError(
    'quantizing to type',
    name,
    fileTypes.map((type) => type.name),
  );
}
