/** Compares models with a reference: what was lost, at how many bytes, at which speed. */
import type { OnProgress } from '../core/progress.ts';
import { type CheckpointSource, openCheckpoint } from '../formats/open.ts';
import { hasNestedBits } from '../models/nestedBits.ts';
import { type Divergence, evaluateText } from '../runtime/evaluateText.ts';
import { load } from '../runtime/load.ts';
import type { LoadOptions } from '../runtime/loadOptions.ts';
import { measureSpeed } from '../runtime/measureSpeed.ts';

export interface CompareOptions {
  /** Text that all models are measured on. It should not be the calibration text. */
  readonly text: string;
  /** Tokens per chunk. Default: 512, at most the reference's context. */
  readonly context?: number;
  /** Maximum number of tokens to read. */
  readonly maxTokens?: number;
  /**
   * Computes with the weights dequantized to F32, so that the files are compared without the rounding of any kernel. The
   * speed is measured as usual.
   */
  readonly exact?: boolean;
  /** Measures tokens per second. Default true. */
  readonly speed?: boolean;
  readonly threads?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: OnProgress;
}

export interface Comparison {
  /** Name of the model's source. */
  readonly model: string;
  /** Bytes of its file. */
  readonly bytes: number;
  /** KL divergence from the reference. Undefined for the reference itself. */
  readonly kld?: Divergence;
  /** Share of tokens with the same most likely token as the reference. */
  readonly top1?: number;
  readonly perplexity: number;
  /** Perplexity divided by the reference's. */
  readonly perplexityRatio: number;
  /** Number of scored tokens. */
  readonly tokens: number;
  readonly decodeTokensPerSecond?: number;
  readonly prefillTokensPerSecond?: number;
  /** True if no other compared model has both fewer bytes and less divergence. */
  readonly isOnFront: boolean;
}

/**
 * @throws the errors of `load` and `evaluateText`
 * @returns the reference first, then the models in their order; a file with nested bits at 8 bits and at 4
 */
export async function compare(
  reference: CheckpointSource,
  models: readonly CheckpointSource[],
  options: CompareOptions,
): Promise<Comparison[]> {
  const { text, exact, maxTokens, threads, signal, onProgress, speed = true } = options;
  const common: LoadOptions = { threads, signal, onProgress };
  const precise: LoadOptions = { ...common, ...(exact && { exact, kv: 'f32' }), context: options.context };
  const original = await load(reference, precise);
  try {
    const context = options.context ?? Math.min(512, original.context);
    const rows: Omit<Comparison, 'isOnFront'>[] = [];
    for (const { source, bits } of await readingsOf(models, options)) {
      const model = await load(source, { ...precise, bits });
      try {
        const evaluation = { context, all: true, maxTokens, reference: original, signal, onProgress };
        const { kld, top1, perplexity, referencePerplexity, tokens } = await evaluateText(model, text, evaluation);
        const perplexityRatio = perplexity / referencePerplexity!;
        if (rows.length === 0)
          rows.push({
            ...(await sizeOf(reference, common, speed)),
            perplexity: referencePerplexity!,
            perplexityRatio: 1,
            tokens,
          });
        model.dispose();
        const size = await sizeOf(source, { ...common, bits }, speed);
        rows.push({ ...size, kld, top1, perplexity, perplexityRatio, tokens });
      } finally {
        model.dispose();
      }
    }
    return rows.map((row) => ({
      ...row,
      isOnFront: row.kld !== undefined && !rows.some((other) => isBetter(other, row)),
    }));
  } finally {
    original.dispose();
  }
}

interface Reading {
  readonly source: CheckpointSource;
  /** Of a file with nested bits. */
  readonly bits?: 4 | 8;
}

async function readingsOf(sources: readonly CheckpointSource[], { signal }: CompareOptions): Promise<Reading[]> {
  const readings: Reading[] = [];
  for (const source of sources) {
    const file = await openCheckpoint(source, { signal, headerOnly: true });
    readings.push(...(hasNestedBits(file) ? ([8, 4] as const).map((bits) => ({ source, bits })) : [{ source }]));
    await file.close();
  }
  return readings;
}

function isBetter(a: Omit<Comparison, 'isOnFront'>, b: Omit<Comparison, 'isOnFront'>): boolean {
  if (!a.kld || !b.kld || a === b) return false;
  const isNoWorse = a.bytes <= b.bytes && a.kld.mean <= b.kld.mean;
  return isNoWorse && (a.bytes < b.bytes || a.kld.mean < b.kld.mean);
}

/** Size and speed as the model runs usually. */
async function sizeOf(
  source: CheckpointSource,
  options: LoadOptions,
  speed: boolean,
): Promise<Pick<Comparison, 'model' | 'bytes' | 'decodeTokensPerSecond' | 'prefillTokensPerSecond'>> {
  const model = await load(source, options);
  try {
    const { source: file, byteLength } = model.summary;
    const name = options.bits === undefined ? file : `${file} (${options.bits} bits)`;
    if (!speed) return { model: name, bytes: byteLength };
    const prefill = Math.min(256, Math.floor(model.context / 2));
    const measured = await measureSpeed(model, {
      prefill,
      decode: Math.min(48, model.context - prefill),
      signal: options.signal,
    });
    const { decodeTokensPerSecond, prefillTokensPerSecond } = measured;
    return { model: name, bytes: byteLength, decodeTokensPerSecond, prefillTokensPerSecond };
  } finally {
    model.dispose();
  }
}
