/** Finds the delegated role that may describe a target file. */
import { hashOf } from '../../../formats/packages/hash.ts';
import type { DelegatedRole } from './metadata.ts';

/** @param path path of the target file, with '/' between folders */
export function isDelegated({ paths, path_hash_prefixes: prefixes }: DelegatedRole, path: string): boolean {
  if (paths) return paths.some((pattern) => matches(pattern, path));
  const hash = hashOf(new TextEncoder().encode(path));
  return (prefixes ?? []).some((prefix) => hash.startsWith(prefix));
}

/** Shell patterns, part by part: * and ? do not match '/'. */
function matches(pattern: string, path: string): boolean {
  const [wanted, found] = [pattern.split('/'), path.split('/')];
  return wanted.length === found.length && wanted.every((part, i) => matchesPart(part, found[i]));
}

/** Matches '*', '?' and '[…]' as Python's fnmatch does, without backtracking over more than the last '*'. */
function matchesPart(pattern: string, text: string): boolean {
  const parts = pattern.match(/\[!?\]?[^\]]*\]|[\s\S]/gu) ?? [];
  const letters = [...text];
  let [i, j, star, resume] = [0, 0, -1, 0];
  while (j < letters.length) {
    if (parts[i] === '*') {
      star = i++;
      resume = j;
    } else if (i < parts.length && matchesLetter(parts[i], letters[j])) {
      i++;
      j++;
    } else if (star >= 0) {
      i = star + 1;
      j = ++resume;
    } else return false;
  }
  return parts.slice(i).every((part) => part === '*');
}

function matchesLetter(part: string, letter: string): boolean {
  if (part === '?') return true;
  if (part.length < 3 || !part.startsWith('[')) return part === letter;
  const negated = part[1] === '!';
  const body = [...part.slice(negated ? 2 : 1, -1)];
  let found = false;
  for (let i = 0; i < body.length; i++) {
    const isRange = body[i + 1] === '-' && i + 2 < body.length;
    found ||= isRange ? letter >= body[i] && letter <= body[i + 2] : letter === body[i];
    if (isRange) i += 2;
  }
  return found !== negated;
}
