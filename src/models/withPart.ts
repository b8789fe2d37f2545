/**
 * A model with the tensors of a part that is a file of its own: a head beside the language head (`cls.output.weight`), or the experts of its layers.
 */
import { FormatError } from '../core/errors.ts';
import type { Checkpoint } from '../formats/checkpoint.ts';

/** Keys of a part's metadata that stay those of the model. */
const MODELS_OWN = /^(general|tokenizer|split)\./;

/**
 * @param base with GGUF names @param part GGUF file of the same architecture. Its tensors and settings replace those of the same name.
 * @returns a model that `close` of closes both @throws {FormatError} if the part is of another architecture, or has no tensors
 */
export function withPart(base: Checkpoint, part: Checkpoint): Checkpoint {
  const [expected, found] = [base, part].map(({ metadata }) => metadata.get('general.architecture'));
  if (expected !== found)
    throw new FormatError(part.name, `is for architecture ${String(found)}, but ${base.name} is ${String(expected)}`, {
      expected,
      found,
    });
  if (part.tensors.size === 0) throw new FormatError(part.name, 'has no tensors', {});
  const settings = [...part.metadata].filter(([key]) => !MODELS_OWN.test(key));
  const { name, kind, tokenizer, embedding, chatTemplate } = base;
  return {
    ...{ name, kind, tokenizer, embedding, chatTemplate },
    metadata: new Map([...base.metadata, ...settings]),
    tensors: new Map([...base.tensors, ...part.tensors]),
    byteLength: base.byteLength + part.byteLength,
    finish: async (signal) => {
      await Promise.all([base.finish?.(signal), part.finish?.(signal)]);
    },
    close: async () => {
      await Promise.all([base.close(), part.close()]);
    },
  };
}
