/** Progress of a long operation, passed to `onProgress` callbacks. */
export interface Progress {
  /** Name of the operation: 'download', 'load', 'prefill' … */
  readonly stage: string;
  /** Completed units. Bytes for downloads and loading, tokens for prefill. */
  readonly done: number;
  readonly total: number;
  readonly unit: 'bytes' | 'tokens' | 'kernels';
  /** Current file or tensor, if there is one. */
  readonly item?: string;
}

export type OnProgress = (progress: Progress) => void;
