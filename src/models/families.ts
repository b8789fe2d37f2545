/** Supported model families for users. README.md's list is generated from it. */
import { architectures } from './index.ts';

/** One line per kind of source: GGUF files, and Hugging Face folders. */
export function familiesText(): string {
  const gguf = architectures.filter(({ foldersOnly }) => !foldersOnly);
  const families = (list: typeof architectures) => list.map(({ models }) => models).join('; ');
  const named = architectures.flatMap(({ folders = [] }) => folders.flatMap(({ modelTypes }) => modelTypes));
  const types = [...new Set(named)];
  return [
    `GGUF, ${gguf.length} architectures: ${families(gguf)}.`,
    '',
    `Hugging Face folders (safetensors in F32, F16, BF16), ${types.length} model types: ${types.toSorted().join(', ')}.`,
  ].join('\n');
}
