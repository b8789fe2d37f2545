/** Progress of a long operation, passed to `onProgress` callbacks. */
export interface Progress {
  /** Name of the operation: 'download', 'load', 'prefill' … */
  readonly stage: string;
  /** Completed units. Bytes for downloads and loading, tokens for prefill. */
  readonly done: number;
  readonly total: number;
  readonly unit: 'bytes' | 'tokens' | 'kernels' | 'pieces' | 'texts';
  /** Current file or tensor, if there is one. */
  readonly item?: string;
  /** Something that a person should know and that does not stop the work. Each notice is reported once. */
  readonly notice?: Notice;
}

/** Plain data, so that it can be sent between threads. */
export interface Notice {
  /**
   * 'NOT_KEPT': the download is used but not stored, so the next load downloads it again.
   * 'WAITING': the server asked to wait, or somebody else is downloading the same file.
   * 'OFFLINE': the server could not be asked whether the stored copy is current.
   * 'DAMAGED': a checkpoint was skipped because it is damaged, and the run continues from an earlier one.
   */
  readonly code: 'NOT_KEPT' | 'WAITING' | 'OFFLINE' | 'DAMAGED';
  readonly message: string;
  readonly data: Readonly<Record<string, unknown>>;
}

export type OnProgress = (progress: Progress) => void;
