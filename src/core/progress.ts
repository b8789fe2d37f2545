/** Progress of a long piece of work, as `onProgress` callbacks receive it. */
export interface Progress {
  /** What is being done: 'download', 'load', 'prefill' … */
  readonly stage: string;
  /** Units done and in all; bytes for downloads and loading, tokens for prefill. */
  readonly done: number;
  readonly total: number;
  readonly unit: 'bytes' | 'tokens' | 'kernels';
  /** The file or tensor at hand, if that helps a person. */
  readonly item?: string;
}

export type OnProgress = (progress: Progress) => void;
