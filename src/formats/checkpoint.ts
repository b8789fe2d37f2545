/** A model in its files: named tensors and metadata. Only the header has been read. */
import type { BlockFormat } from '../tensor/blockFormat.ts';
import type { ChatTemplateSource } from '../tokenizer/chatTemplate.ts';
import type { TokenizerSpec } from '../tokenizer/spec.ts';
import type { EmbeddingSettings } from './embeddingSettings.ts';

export interface CheckpointTensor {
  /** Name in the file. */
  readonly name: string;
  readonly format: BlockFormat;
  /** Slowest dimension first, as in PyTorch: a matrix is [rows (outputs), columns (inputs)]. GGUF's order is reversed on reading. */
  readonly shape: readonly number[];
  readonly byteLength: number;
  /** See `ByteSource.isLocal`. */
  readonly isLocal?: boolean;
  /** Reads `into.length` bytes from `offset` within the tensor. @throws {FormatError|SourceError} */
  read(offset: number, into: Uint8Array, signal?: AbortSignal): Promise<void>;
}

/** A GGUF value or a JSON value of config.json. 64-bit integers are numbers if they are exact, else bigints. */
export type MetadataValue = unknown;

/** A model in its files, opened by `openCheckpoint`. Functions that read one do not close it. */
export interface Checkpoint {
  /** Path, URL or file name of the first file, for error messages. */
  readonly name: string;
  /** 'gguf': metadata has GGUF keys. 'huggingface': metadata has the fields of config.json, and tensors have PyTorch names. */
  readonly kind: 'gguf' | 'huggingface';
  readonly metadata: ReadonlyMap<string, MetadataValue>;
  readonly tensors: ReadonlyMap<string, CheckpointTensor>;
  /** Undefined if the files contain no tokenizer. */
  readonly tokenizer?: TokenizerSpec;
  /** Pooling and normalization of embeddings, if the files define them. */
  readonly embedding?: EmbeddingSettings;
  /** Chat templates, if the files contain any. */
  readonly chatTemplate?: ChatTemplateSource;
  /** Total size of the files in bytes. */
  readonly byteLength: number;
  /**
   * Completes and verifies downloads that are stored while they are read.
   * @throws {SourceError} if bytes were wrong; data that was read before must not be used then
   */
  finish?(signal?: AbortSignal): Promise<void>;
  close(): Promise<void>;
}

export function isCheckpoint(value: unknown): value is Checkpoint {
  return typeof value === 'object' && value !== null && 'tensors' in value && value.tensors instanceof Map;
}

/** Size of the tensors in bytes. */
export function tensorBytes({ tensors }: Checkpoint): number {
  return [...tensors.values()].reduce((sum, { byteLength }) => sum + byteLength, 0);
}

/** The same checkpoint for a reader who closes it, while its owner goes on using it. */
export function lent(checkpoint: Checkpoint): Checkpoint {
  const { name, kind, metadata, tensors, tokenizer, embedding, chatTemplate, byteLength } = checkpoint;
  return {
    ...{ name, kind, metadata, tensors, tokenizer, embedding, chatTemplate, byteLength },
    finish: async (signal) => checkpoint.finish?.(signal),
    close: async () => undefined,
  };
}
