/** Opens a GGUF file, or all parts of a split one, as a checkpoint. */
import { FormatError, grouped } from '../../core/errors.ts';
import type { ChatTemplateSource } from '../../tokenizer/chatTemplate.ts';
import type { TokenizerSpec } from '../../tokenizer/spec.ts';
import { type ByteSource, closeAll, closingOnError, finishAll } from '../byteSource.ts';
import { chatTemplatesFromGguf } from '../chatTemplates.ts';
import type { Checkpoint, CheckpointTensor, MetadataValue } from '../checkpoint.ts';
import { type EmbeddingSettings, embeddingFromGguf } from '../embeddingSettings.ts';
import type { Folder } from '../folder.ts';
import { tokenizerFromGguf } from '../tokenizerFromGguf.ts';
import { type GgufFile, readGguf } from './read.ts';

/** File names of the parts of a split model, as written by llama.cpp's gguf-split. */
const PART_NAME = /^(.*)-(\d{5})-of-(\d{5})\.gguf$/;

class GgufCheckpoint implements Checkpoint {
  readonly kind = 'gguf';
  readonly name: string;
  readonly metadata: ReadonlyMap<string, MetadataValue>;
  readonly byteLength: number;
  #spec?: TokenizerSpec;

  readonly #sources: readonly ByteSource[];

  constructor(
    first: GgufFile,
    readonly tensors: ReadonlyMap<string, CheckpointTensor>,
    sources: readonly ByteSource[],
  ) {
    this.#sources = sources;
    this.name = first.name;
    this.metadata = first.metadata;
    this.byteLength = sources.reduce((sum, source) => sum + source.size, 0);
  }

  /** Read on first use, so that a model with an unsupported tokenizer can still be inspected. */
  get tokenizer(): TokenizerSpec | undefined {
    if (!this.metadata.has('tokenizer.ggml.model')) return undefined;
    return (this.#spec ??= tokenizerFromGguf(this.metadata, this.name));
  }

  get embedding(): EmbeddingSettings | undefined {
    return embeddingFromGguf(this.metadata, this.name);
  }

  get chatTemplate(): ChatTemplateSource | undefined {
    return chatTemplatesFromGguf(this.metadata);
  }

  finish(signal?: AbortSignal): Promise<void> {
    return finishAll(this.#sources, signal);
  }

  async close(): Promise<void> {
    await closeAll(this.#sources);
  }
}

/**
 * Opens a GGUF file. If it is part of a split model, opens the other parts beside it.
 * @param source the file, closed here when it cannot be opened @param file its name in `folder`
 * @throws {FormatError} for a broken file, and for parts that are missing or of different models; {SourceError}
 */
export async function openGguf(
  source: ByteSource,
  options: { folder?: Folder; file?: string; signal?: AbortSignal } = {},
): Promise<Checkpoint> {
  const sources = [source];
  return closingOnError(sources, async () => {
    const file = await readGguf(source, options);
    const count = numberOf(file, 'split.count') ?? 1;
    if (count <= 1) return new GgufCheckpoint(file, file.tensors, sources);
    const parts = await openParts(file, count, sources, options);
    return new GgufCheckpoint(parts[0], joined(parts), sources);
  });
}

/** Reads the headers of all parts in order and appends their sources to `sources`. */
async function openParts(
  given: GgufFile,
  count: number,
  sources: ByteSource[],
  { folder, file = '', signal }: { folder?: Folder; file?: string; signal?: AbortSignal },
): Promise<GgufFile[]> {
  const name = PART_NAME.exec(file);
  if (!folder || !name || Number(name[3]) !== count) {
    const problem = `is one of ${count} parts, which are found only by a path or URL that ends like -00001-of-${String(count).padStart(5, '0')}.gguf, or by giving all Files`;
    throw new FormatError(given.name, problem, { expected: count, found: file });
  }
  const parts: GgufFile[] = [];
  for (let i = 0; i < count; i++) {
    const partName = `${name[1]}-${String(i + 1).padStart(5, '0')}-of-${name[3]}.gguf`;
    const part = partName === file ? given : await openPart(partName, given.name, folder, sources, signal);
    if (numberOf(part, 'split.count') !== count || numberOf(part, 'split.no') !== i) {
      const found = `part ${numberOf(part, 'split.no')} of ${numberOf(part, 'split.count')}`;
      const problem = `says that it is ${found} (counted from 0), expected ${i} of ${count}`;
      throw new FormatError(part.name, problem, { expected: `${i} of ${count}`, found });
    }
    parts.push(part);
  }
  return parts;
}

async function openPart(
  name: string,
  given: string,
  folder: Folder,
  sources: ByteSource[],
  signal?: AbortSignal,
): Promise<GgufFile> {
  const source = await folder.open(name, signal);
  if (!source) throw new FormatError(given, `the part ${name} is missing in ${folder.name}`, { expected: name });
  sources.push(source);
  return readGguf(source, { signal });
}

/** Merges the tensors of all parts, and checks the total from the first part. */
function joined(parts: readonly GgufFile[]): Map<string, CheckpointTensor> {
  const tensors = new Map<string, CheckpointTensor>();
  for (const part of parts) {
    for (const [name, tensor] of part.tensors) {
      if (tensors.has(name))
        throw new FormatError(part.name, `tensor ${name} is in an earlier part too`, { tensor: name });
      tensors.set(name, tensor);
    }
  }
  const expected = numberOf(parts[0], 'split.tensors.count');
  if (expected !== undefined && expected !== tensors.size) {
    const problem = `split.tensors.count is ${grouped(expected)} but the parts hold ${grouped(tensors.size)} tensors`;
    throw new FormatError(parts[0].name, problem, { expected, found: tensors.size });
  }
  return tensors;
}

function numberOf(file: GgufFile, key: string): number | undefined {
  const value = file.metadata.get(key);
  return typeof value === 'number' ? value : undefined;
}
