/** How much memory a model will take, from its graph alone. */
import { freeMemoryBytes } from '#leaf/runtime/memory';
import { type Graph, isWeight, type Registers, rowsOf, type Value } from '../graph/graph.ts';
import { accumulateOp } from '../graph/ops/accumulate.ts';
import type { AttentionAttributes } from '../graph/ops/attention.ts';
import { isState } from '../graph/ops/state.ts';
import { weightBytes } from '../graph/ops/weight.ts';
import { type BlockFormat, bytesOf } from '../tensor/blockFormat.ts';

/** Bytes. */
export interface MemoryEstimate {
  readonly weightBytes: number;
  /** Keys and values of one session; each further session takes as much again. */
  readonly cacheBytes: number;
  /** Values between the ops, of the longest step. */
  readonly activationBytes: number;
  readonly totalBytes: number;
  readonly availableBytes: number;
  readonly fits: boolean;
}

/** What 32-bit WebAssembly can address, which is where weights, caches and activations lie. */
const ADDRESSABLE_BYTES = 2 ** 32;

/** @param registers of the longest step: T and R as large as a step may have them */
export function estimateMemory(graph: Graph, context: number, kv: BlockFormat, registers: Registers): MemoryEstimate {
  const nodes = graph.live();
  let weights = 0;
  let cacheBytes = 0;
  for (const node of nodes) {
    if (isWeight(node)) weights += weightBytes(node);
    if (node.op.name !== 'attention') continue;
    const { kvHeads, headSize } = node.attributes as AttentionAttributes;
    cacheBytes += 2 * context * bytesOf(kv, kvHeads * headSize);
  }
  const activationBytes = peakBytes(nodes, new Set(graph.outputs.values()), registers);
  const totalBytes = weights + cacheBytes + activationBytes;
  const availableBytes = Math.min(freeMemoryBytes(), ADDRESSABLE_BYTES);
  const fits = totalBytes <= availableBytes;
  return { weightBytes: weights, cacheBytes, activationBytes, totalBytes, availableBytes, fits };
}

/** The most that the values which are still needed take at once, f32. */
function peakBytes(nodes: readonly Value[], outputs: ReadonlySet<Value>, registers: Registers): number {
  const lastUse = new Map<Value, number>();
  for (const [i, node] of nodes.entries()) for (const input of node.inputs) lastUse.set(input, i);
  let held = 0;
  let peak = 0;
  for (const [i, node] of nodes.entries()) {
    if (isKept(node)) continue;
    const bytes = (value: Value) => 4 * rowsOf(value.shape, registers) * value.shape[1];
    held += bytes(node);
    peak = Math.max(peak, held);
    for (const input of new Set(node.inputs)) {
      if (!isKept(input) && !outputs.has(input) && lastUse.get(input) === i) held -= bytes(input);
    }
  }
  return peak;
}

/** Whether a value lies where it is from step to step; sums of gradients lie in their states. */
function isKept(value: Value): boolean {
  return isWeight(value) || isState(value) || value.op.name === accumulateOp.name;
}
