/** Assigns addresses and finds barriers when all commands of a program are known. */
import type { Command, Region } from './emitter.ts';

const ALIGNMENT = 64;

/**
 * Assigns addresses to temporary regions so that regions with overlapping lifetimes do not share memory. First fit, in order of first use.
 * @param kept regions that must outlive the step @returns needed bytes; addresses are relative to 0
 */
export function placeTemporaries(commands: readonly Command[], kept: ReadonlySet<Region>): number {
  const last = new Map<Region, number>();
  commands.forEach((command, i) => {
    for (const region of [...command.reads, ...command.writes]) last.set(region, i);
  });
  for (const region of kept) last.set(region, Number.POSITIVE_INFINITY);
  const placed: { region: Region; until: number }[] = [];
  const seen = new Set<Region>();
  let total = 0;
  commands.forEach((command, i) => {
    for (const region of [...command.reads, ...command.writes]) {
      if (region.kind !== 'temporary' || seen.has(region)) continue;
      seen.add(region);
      const alive = placed.filter(({ until }) => until >= i).sort((a, b) => a.region.address - b.region.address);
      const bytes = aligned(region.bytes);
      let address = 0;
      for (const { region: other } of alive) {
        if (address + bytes <= other.address) break;
        address = Math.max(address, other.address + aligned(other.bytes));
      }
      region.address = address;
      placed.push({ region, until: last.get(region)! });
      total = Math.max(total, address + bytes);
    }
  });
  return total;
}

/**
 * Finds the commands that need a barrier after them: a later command accesses memory that another thread may still be
 * writing or reading. It compares addresses, so reused memory counts too.
 */
export function placeBarriers(commands: readonly Command[], forced: ReadonlySet<number>): boolean[] {
  const barriers = commands.map((_, i) => forced.has(i));
  let since: Command[] = [];
  commands.forEach((command, i) => {
    if (since.some((earlier) => conflict(earlier, command))) {
      barriers[i - 1] = true;
      since = [];
    }
    since.push(command);
    if (barriers[i]) since = [];
  });
  return barriers;
}

function conflict(earlier: Command, later: Command): boolean {
  // each thread stays on its own elements if they are at the same addresses
  const together = earlier.split !== undefined && earlier.split === later.split;
  const touches = (a: readonly Region[], b: readonly Region[]): boolean =>
    a.some((x) => b.some((y) => overlap(x, y) && !(together && x.address === y.address)));
  return (
    touches(earlier.writes, later.reads) ||
    touches(earlier.writes, later.writes) ||
    touches(earlier.reads, later.writes)
  );
}

function overlap(a: Region, b: Region): boolean {
  return a.address < b.address + b.bytes && b.address < a.address + a.bytes;
}

export function aligned(bytes: number): number {
  return Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
}
