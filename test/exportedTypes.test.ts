/** Whoever can call a function of the package can name the types of its arguments and results: they are exported beside it. */
import { existsSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';

const root = fileURLToPath(new URL('..', import.meta.url));
const { exports } = JSON.parse(readFileSync(`${root}package.json`, 'utf8'));

/** Declarations of the package's entries, as strangers' compilers read them. */
const entries = [
  ...new Set(
    Object.values(exports as Record<string, { types?: string } | string>).flatMap((entry) =>
      typeof entry === 'object' && entry.types ? [join(root, entry.types)] : [],
    ),
  ),
].filter((path) => existsSync(path));

/** A declaration: the file that it is in, and its name there. */
type Place = `${string}#${string}`;

/** Names of a list such as `A, type B as C`, with the names that they have inside. */
function* listed(list: string): Generator<{ readonly inside: string; readonly outside: string }> {
  for (const part of list.split(',')) {
    const [inside, outside] = part
      .trim()
      .replace(/^type /, '')
      .split(/\s+as\s+/);
    if (inside) yield { inside, outside: outside ?? inside };
  }
}

interface DeclarationFile {
  /** Top-level declarations: their text, without comments and hidden constructors. */
  readonly own: ReadonlyMap<string, string>;
  /** Where names come from that are declared elsewhere. */
  readonly imported: ReadonlyMap<string, Place>;
  readonly exported: ReadonlyMap<string, Place>;
}

const files = new Map<string, DeclarationFile>();

function read(path: string): DeclarationFile {
  const known = files.get(path);
  if (known) return known;
  const text = readFileSync(path, 'utf8')
    .replace(
      /\/\*\*(?:(?!\*\/)[\s\S])*(?:For internal use|@internal)(?:(?!\*\/)[\s\S])*\*\/\s*(?:export declare [\s\S]*?\n\}|[^;]*;)?/gi,
      '',
    )
    .replace(/\/\*[\s\S]*?\*\//g, '');
  const own = new Map<string, string>();
  for (const [block, name] of text.matchAll(
    /^(?:export )?(?:declare )?(?:abstract )?(?:class|interface|type|function|const) (\w+)[\s\S]*?(?=^(?:export|declare|import|interface|type|class|function|const)\b|$(?![\s\S]))/gm,
  ))
    own.set(name, (own.get(name) ?? '') + block);
  const imported = new Map<string, Place>();
  const exported = new Map<string, Place>();
  const target = (from: string): string => {
    if (from.startsWith('#leaf/')) return join(root, 'dist', `${from.slice('#leaf/'.length)}.node.d.ts`);
    return join(dirname(path), from.replace(/\.[jt]s$/, '.d.ts'));
  };
  for (const [, list, from] of text.matchAll(/^import (?:type )?\{([^}]*)\} from '([^']+)'/gm))
    if (/^[.#]/.test(from))
      for (const { inside, outside } of listed(list)) imported.set(outside, `${target(from)}#${inside}`);
  for (const name of own.keys())
    if (new RegExp(`^export [^=({]*\\b${name}\\b`, 'm').test(own.get(name)!)) exported.set(name, `${path}#${name}`);
  for (const [, list, from] of text.matchAll(/^export (?:type )?\{([^}]*)\}(?: from '([^']+)')?/gm))
    for (const { inside, outside } of listed(list))
      exported.set(outside, from ? `${target(from)}#${inside}` : (imported.get(inside) ?? `${path}#${inside}`));
  for (const [, from] of text.matchAll(/^export \* as \w+ from '([^']+)'/gm))
    for (const [name, place] of read(target(from)).exported) exported.set(`${from}.${name}`, place);
  const found = { own, imported, exported };
  files.set(path, found);
  return found;
}

/** Follows exports to the declaration. */
function declared(place: Place): Place {
  const [path, name] = place.split('#') as [string, string];
  if (!existsSync(path)) return place;
  const { own, exported } = read(path);
  const next = exported.get(name);
  return own.has(name) || !next || next === place ? place : declared(next);
}

/** Types of platforms, and names that only stand for others. */
const isKnown = (place: Place): boolean => /core\/platformTypes|#(Call|IdleSequence|POOLINGS)$/.test(place);

function missingTypes(entry: string): string[] {
  const own = new Map([...read(entry).exported].map(([name, place]) => [declared(place), name]));
  // a type may come from any entry
  const offered = new Set(entries.flatMap((each) => [...read(each).exported.values()].map(declared)));
  const missing = new Set<string>();
  for (const [place, name] of own) {
    const [path, inside] = place.split('#') as [string, string];
    if (!existsSync(path)) continue;
    const { own: here, imported } = read(path);
    for (const [, used] of (here.get(inside) ?? '').matchAll(/(?<![.'"\w])([A-Z]\w+)/g)) {
      const type = imported.get(used) ?? (here.has(used) ? (`${path}#${used}` as const) : undefined);
      if (type && !isKnown(declared(type)) && !offered.has(declared(type))) missing.add(`${used} of ${name}`);
    }
  }
  return [...missing].sort();
}

describe('types in signatures of exports', () => {
  it.each(entries)('are exported by %s', (entry) => {
    expect(read(entry).exported.size).toBeGreaterThan(3);
    expect(missingTypes(entry)).toEqual([]);
  });
});
