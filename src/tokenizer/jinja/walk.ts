/** Searches in the syntax tree. */
import type { Expression, Statement } from './nodes.ts';

type Node = Expression | Statement;

/** Calls `visit` for each node in source order. If it returns false, the children are skipped. */
export function walk(part: unknown, visit: (node: Node) => boolean): void {
  if (typeof part !== 'object' || part === null) return;
  if (Array.isArray(part)) {
    for (const element of part) walk(element, visit);
    return;
  }
  // constants hold values, not nodes
  if (Object.getPrototypeOf(part) !== Object.prototype) return;
  const node = part as Node;
  if (typeof node.type === 'string' && !visit(node)) return;
  for (const key in part) walk((part as Record<string, unknown>)[key], visit);
}

/** Returns the names that are read before they are assigned. Blocks are not searched: they are separate functions. */
export function undeclaredNames(body: readonly Statement[], names: readonly string[]): Set<string> {
  const searched = new Set(names);
  const found = new Set<string>();
  walk(body, (node) => {
    if (node.type === 'block') return false;
    if (node.type === 'name') {
      if (node.context !== 'load') searched.delete(node.name);
      else if (searched.has(node.name)) found.add(node.name);
    }
    return true;
  });
  return found;
}

/** Searches a loop, nested loops included, for assignments to `loop` and scoped blocks. */
export function inspectLoop(loop: unknown): { assignsLoop: boolean; hasScopedBlock: boolean } {
  let assignsLoop = false;
  let hasScopedBlock = false;
  walk(loop, (node) => {
    if (node.type === 'name') assignsLoop ||= node.context === 'store' && node.name === 'loop';
    else if (node.type === 'block') hasScopedBlock ||= node.scoped;
    return true;
  });
  return { assignsLoop, hasScopedBlock };
}
