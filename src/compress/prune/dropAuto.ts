/** Chooses the blocks that can be dropped: as many as the divergence on held-out text allows. */
import { OptionError, UnsupportedError } from '../../core/errors.ts';
import type { OnProgress } from '../../core/progress.ts';
import { type Checkpoint, lent } from '../../formats/checkpoint.ts';
import { compare } from '../compare.ts';

export interface TriedDrop {
  /** Indices of the blocks, ascending. */
  readonly dropped: readonly number[];
  /** KL divergence from the whole model on held-out text, in nats per token. Undefined if the blocks cannot be dropped. */
  readonly divergence?: number;
}

export interface DropSearch {
  /** Influence of each block. */
  readonly influence: readonly number[];
  /** Text that did not choose the blocks. */
  readonly text: string;
  readonly maxDivergence: number;
  /** Tokens of context. Default: 512, at most the trained context. */
  readonly context?: number;
  readonly threads?: number;
  readonly signal?: AbortSignal;
  /** Progress with stage 'drop', a piece per tried block. */
  readonly onProgress?: OnProgress;
  /** The model without some blocks. @throws {UnsupportedError} */
  readonly without: (dropped: readonly number[]) => Checkpoint;
}

/** Tokens on which a candidate is measured. */
const TOKENS = 4096;

/**
 * Drops one block after another, in the order of their influence, until the divergence would exceed the limit. Blocks that cannot be
 * dropped together with those before are left out.
 * @throws {OptionError} if no block can be dropped
 */
export async function dropsWithin(
  checkpoint: Checkpoint,
  search: DropSearch,
): Promise<{ readonly dropped: readonly number[]; readonly divergence: number; readonly tried: readonly TriedDrop[] }> {
  const { influence, text, context, maxDivergence, threads, signal } = search;
  const order = byInfluence(influence);
  const tried: TriedDrop[] = [];
  let dropped: readonly number[] = [];
  let divergence = 0;
  for (const [done, block] of order.slice(0, -1).entries()) {
    search.onProgress?.({ stage: 'drop', done, total: order.length - 1, unit: 'pieces', item: `block ${block}` });
    signal?.throwIfAborted();
    const next = [...dropped, block].sort((a, b) => a - b);
    const candidate = candidateOf(search, next);
    if (!candidate) {
      tried.push({ dropped: next });
      continue;
    }
    const options = { text, context, maxTokens: TOKENS, speed: false, threads, signal };
    const [, { kld }] = await compare(lent(checkpoint), [lent(candidate)], options);
    tried.push({ dropped: next, divergence: kld!.mean });
    if (!(kld!.mean <= maxDivergence)) break;
    dropped = next;
    divergence = kld!.mean;
  }
  if (dropped.length > 0) return { dropped, divergence, tried };
  const nearest = tried.find(({ divergence }) => divergence !== undefined);
  const costs = nearest
    ? `at least ${nearest.divergence!.toPrecision(3)}, which dropping block ${nearest.dropped[0]} costs`
    : 'a model whose blocks can be dropped';
  throw new OptionError('maxDivergence', maxDivergence, costs);
}

/** Indices of the blocks, that with the least influence first. */
export const byInfluence = (influence: readonly number[]): number[] =>
  [...influence.keys()].sort((a, b) => influence[a] - influence[b] || a - b);

function candidateOf({ without }: DropSearch, dropped: readonly number[]): Checkpoint | undefined {
  try {
    return without(dropped);
  } catch (error) {
    if (error instanceof UnsupportedError) return undefined;
    throw error;
  }
}
