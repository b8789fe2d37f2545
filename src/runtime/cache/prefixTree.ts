/**
 * Finds the longest prefix of a prompt that any sequence has computed: a radix tree of tokens, whose edges are whole pages.
 * Each submodel has prefixes of its own, because it computes other keys and values. The tree holds a reference to its pages.
 * Pages without other references are evicted, least recently used first.
 */
import { PAGE_POSITIONS, type Page } from '../../graph/step.ts';
import type { PagePool } from './pagePool.ts';

/** A page; its prefix is the pages of its ancestors. */
export interface PrefixNode {
  readonly page: Page;
  readonly key: string;
  readonly parent: PrefixNode | undefined;
  readonly children: Map<string, PrefixNode>;
  /** Time of last use: a counter, not a clock. */
  used: number;
}

/** Position of a sequence in the tree. */
export interface AddedPrefix {
  readonly node: PrefixNode;
  /** Number of pages from the root to the node. */
  readonly pages: number;
}

export class PrefixTree {
  readonly #pool: PagePool;
  readonly #roots = new Map<string, PrefixNode>();
  readonly #nodes = new Set<PrefixNode>();
  #clock = 0;

  constructor(pool: PagePool) {
    this.#pool = pool;
  }

  /** Returns the pages of the longest prefix of some tokens that a submodel has computed. @param most maximum positions */
  find(submodel: string, tokens: readonly number[], most: number): Page[] {
    const found: Page[] = [];
    let children = this.#roots;
    for (let from = 0; from + PAGE_POSITIONS <= most; from += PAGE_POSITIONS) {
      const node = children.get(keyOf(submodel, tokens, from));
      if (!node) break;
      node.used = ++this.#clock;
      found.push(node.page);
      children = node.children;
    }
    // with recurrent states, a sequence can only continue where there is one
    if (this.#pool.stateBytes > 0)
      while (found.length > 0 && found.at(-1)!.state?.position !== found.length * PAGE_POSITIONS) found.pop();
    return found;
  }

  /**
   * Adds the full pages of a sequence. If the tree already has pages for the same tokens, it keeps those.
   * @param most number of positions that `submodel` has computed
   * @param added result of the last call for this sequence, if its past has not changed @returns the last node and its depth
   */
  add(
    submodel: string,
    tokens: readonly number[],
    pages: readonly Page[],
    most: number,
    added?: AddedPrefix,
  ): AddedPrefix | undefined {
    let last = added && this.#nodes.has(added.node) ? added : undefined;
    for (let i = last?.pages ?? 0; (i + 1) * PAGE_POSITIONS <= most; i++) {
      const node = this.#child(last?.node, keyOf(submodel, tokens, i * PAGE_POSITIONS), pages[i]);
      last = { node, pages: i + 1 };
    }
    return last;
  }

  /**
   * Releases the least recently used page without other references, one at the end of a prefix if there is one. Sequences that
   * compute the same at once have pages of their own, so all that follows an unused page may be in use: it leaves the tree, too.
   * @returns false if every page has other references
   */
  evict(): boolean {
    let end: PrefixNode | undefined;
    let inner: PrefixNode | undefined;
    for (const node of this.#nodes) {
      if (!this.#isUnused(node)) continue;
      if (node.children.size > 0) inner = older(inner, node);
      else end = older(end, node);
    }
    const oldest = end ?? inner;
    if (!oldest) return false;
    (oldest.parent?.children ?? this.#roots).delete(oldest.key);
    this.#remove(oldest);
    return true;
  }

  /** Evicts until at most `most` pages are held only by the tree. */
  trim(most: number): void {
    let unused = 0;
    for (const node of this.#nodes) if (this.#isUnused(node)) unused++;
    while (unused-- > most && this.evict());
  }

  clear(): void {
    for (const { page } of this.#nodes) this.#pool.release(page);
    this.#nodes.clear();
    this.#roots.clear();
  }

  #child(parent: PrefixNode | undefined, key: string, page: Page): PrefixNode {
    const children = parent?.children ?? this.#roots;
    let node = children.get(key);
    if (!node) {
      node = { page, key, parent, children: new Map(), used: 0 };
      this.#pool.retain(page);
      children.set(key, node);
      this.#nodes.add(node);
    }
    node.used = ++this.#clock;
    return node;
  }

  #isUnused(node: PrefixNode): boolean {
    return this.#pool.holders(node.page) === 1;
  }

  #remove(node: PrefixNode): void {
    for (const child of node.children.values()) this.#remove(child);
    this.#nodes.delete(node);
    this.#pool.release(node.page);
  }
}

const older = (a: PrefixNode | undefined, b: PrefixNode): PrefixNode => (a && a.used <= b.used ? a : b);

/** Map key of a page: its ids as text, two characters each. That of a first page begins with the submodel. */
function keyOf(submodel: string, tokens: readonly number[], from: number): string {
  const codes: number[] = [];
  for (let i = from; i < from + PAGE_POSITIONS; i++) codes.push(tokens[i] & 0xffff, tokens[i] >>> 16);
  const ids = String.fromCharCode(...codes);
  return from === 0 ? submodel + ids : ids;
}
