/**
 * Costs of one device's kernels, measured there: seconds as linear functions of sizes, by number of tokens and threads.
 * Plain JSON, so that it can be stored, pasted and compared.
 */
import { z } from 'zod';
import { FormatError } from '../core/errors.ts';

const cost = z.number().min(0);
const tokens = z.number().int().min(1);
const threads = z.number().int().min(1).max(256);

/** A matrix product [O, I] of `tokens` rows takes call + output · O + (cached or streamed) · O · I seconds on one thread. */
const productCost = z.object({
  format: z.string(),
  tokens,
  call: cost,
  output: cost,
  /** Seconds per weight while all weights of the model fit the caches. */
  cached: cost,
  /** Seconds per weight that is read from memory. */
  streamed: cost,
});

/**
 * Attention takes call + pair · (pairs of a query and a key, times heads · head size) seconds on one thread, and streamedByte
 * more per byte of keys and values if the model does not fit the caches.
 */
const attentionCost = z.object({ tokens, call: cost, pair: cost, streamedByte: cost });

/** All other nodes of a graph take node · (their number) + element · (their elements) seconds on one thread. */
const otherCost = z.object({ tokens, node: cost, element: cost });

/** With several threads, each kind of work takes a fraction of its time on one thread, and every node waits for all threads. */
const threadsCost = z.object({
  tokens,
  threads,
  cached: cost,
  streamed: cost,
  /** Fraction for attention and other nodes. */
  other: cost,
  /** Seconds of waiting per node. */
  barrier: cost,
  /** Seconds of a step that are not spent in kernels. */
  step: cost,
});

const costTable = z.object({
  version: z.literal(1),
  /** Engine and processors. */
  device: z.string(),
  /** Kernel variant. */
  variant: z.string(),
  /** Format of keys and values. */
  kv: z.string(),
  /** Weights of a model up to this many bytes were in the caches when they were measured … */
  cachedBytes: z.number().min(1),
  /** … and those of a model of this size were not. */
  streamedBytes: z.number().min(1),
  products: z.array(productCost),
  attention: z.array(attentionCost),
  other: z.array(otherCost),
  threads: z.array(threadsCost),
});

export type ProductCost = z.infer<typeof productCost>;
export type AttentionCost = z.infer<typeof attentionCost>;
export type OtherCost = z.infer<typeof otherCost>;
export type ThreadsCost = z.infer<typeof threadsCost>;
export type CostTable = z.infer<typeof costTable>;

/** @param name file name for error messages @throws {FormatError} if the text is not a table */
export function readCostTable(text: string, name = 'cost table'): CostTable {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new FormatError(name, 'it is not JSON', {}, { cause: error });
  }
  const result = costTable.safeParse(value);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const where = issue.path.join('.');
  throw new FormatError(name, `${where === '' ? 'the table' : where}: ${issue.message}`, { field: where });
}

/** Block formats of the measured products. */
export function formatsOf(table: CostTable): ReadonlySet<string> {
  return new Set(table.products.map(({ format }) => format));
}

/** Adds the products of `more` to a table of the same device. */
export function mergeTables(table: CostTable, more: CostTable): CostTable {
  const measured = formatsOf(more);
  return { ...more, products: [...table.products.filter(({ format }) => !measured.has(format)), ...more.products] };
}
