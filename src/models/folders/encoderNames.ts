/** GGUF names of an encoder's tensors → their possible names in folders. */
import type { FolderTensor } from './family.ts';

type Names = Readonly<Record<string, readonly string[]>>;

export interface EncoderNames {
  /** Name prefixes of the blocks, e.g. 'encoder.layer'. */
  readonly blocks: readonly string[];
  readonly block: Names;
  readonly ends: Names;
}

export function encoderNames({ blocks, block, ends }: EncoderNames): (name: string) => FolderTensor {
  return (name) => {
    const inBlock = /^blk\.(\d+)\.(\w+)\.(weight|bias)$/.exec(name);
    const dot = name.lastIndexOf('.');
    if (!inBlock) return { names: (ends[name.slice(0, dot)] ?? []).map((end) => end + name.slice(dot)) };
    const [, layer, part, kind] = inBlock;
    return {
      names: blocks.flatMap((prefix) => (block[part] ?? []).map((own) => `${prefix}.${layer}.${own}.${kind}`)),
    };
  };
}
