/** Random models of two layers, generated once per test file. Their output is noise, but always the same. */
import { makeModel } from '../../scripts/models/index.ts';

const made = new Map<string, Promise<Uint8Array>>();

/** @returns the bytes of a GGUF file @param architecture 'llama' has BOS and no chat template, 'smollm2' the other way around */
export function tinyModel(architecture = 'llama', format = 'F32'): Promise<Uint8Array> {
  const key = `${architecture} ${format}`;
  const known = made.get(key) ?? makeModel({ architecture, format });
  made.set(key, known);
  return known;
}
