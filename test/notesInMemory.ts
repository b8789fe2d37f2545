/** Notes of a device in a map, which a test can look into. */
import type { Notes } from '../src/graph/program.ts';

export function notesIn(texts: Map<string, string>): Notes {
  return {
    read: async (name) => texts.get(name),
    write: async (name, text) => {
      texts.set(name, text);
    },
  };
}
