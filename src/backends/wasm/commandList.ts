/** Lists of commands in memory, where the kernels' loop reads them. */
import type { Arena } from './arena.ts';
import { COMMAND_BYTES } from './control.ts';
import type { Command, Region } from './emitter.ts';
import { placeBarriers } from './layout.ts';
import type { KernelModules } from './module.ts';

export interface CommandList {
  /** Address of the first command. */
  readonly address: number;
  readonly commands: readonly Command[];
  /** Address of the commands' times, f64 seconds; 0: they are not measured. */
  readonly trace: number;
}

/** The memory that all lists of a program share. */
export interface ListMemory {
  readonly arena: Arena;
  readonly kernels: KernelModules;
  readonly scratch: { readonly address: number; readonly stride: number };
  readonly isTraced: boolean;
}

/** Stores commands, whose regions have addresses. @param ends commands after which a step may end, besides the last one */
export function storeCommands(commands: readonly Command[], ends: Iterable<number>, memory: ListMemory): CommandList {
  const { arena, isTraced } = memory;
  const address = arena.allocate(commands.length * COMMAND_BYTES, 'commands');
  const barriers = placeBarriers(commands, new Set([...ends, commands.length - 1]));
  writeCommands(address, commands, barriers, memory);
  const trace = isTraced ? arena.allocate(commands.length * 8, 'trace') : 0;
  const list = { address, commands, trace };
  clearTimes(list, arena);
  return list;
}

/** Sets all times to 0. */
export function clearTimes({ trace, commands }: CommandList, arena: Arena): void {
  if (trace > 0) new Float64Array(arena.memory.buffer, trace, commands.length).fill(0);
}

function writeCommands(
  address: number,
  commands: readonly Command[],
  barriers: readonly boolean[],
  { arena: { memory }, kernels, scratch }: ListMemory,
): void {
  const view = new DataView(memory.buffer);
  // reused memory is not empty, and unused words must be 0
  new Uint8Array(memory.buffer, address, commands.length * COMMAND_BYTES).fill(0);
  commands.forEach((command, i) => {
    const at = address + i * COMMAND_BYTES;
    view.setUint32(at, kernels.indices.get(command.kernel)!, true);
    view.setUint32(at + 4, barriers[i] ? 1 : 0, true);
    command.values.forEach((value, word) => {
      const to = at + 8 + word * 4;
      if (value === 'scratch') view.setUint32(to, scratch.address, true);
      else if (value === 'scratchStride') view.setUint32(to, scratch.stride, true);
      else if (typeof value === 'number') view.setInt32(to, value, true);
      else if ('float' in value) view.setFloat32(to, value.float, true);
      else if ('kernel' in value) view.setUint32(to, kernels.indices.get(value.kernel)!, true);
      else if ('offset' in value) view.setUint32(to, value.region.address + value.offset, true);
      else view.setUint32(to, value.address, true);
    });
  });
}

/**
 * The commands that compute some regions or store layers, in their order.
 * @param known a region whose contents the step is given, and the command that copies them there
 */
export function neededCommands(
  all: readonly Command[],
  regions: Iterable<Region>,
  stores: (layer: number) => boolean,
  known?: { readonly region: Region; readonly copy: Command },
): Command[] {
  const wanted = new Set(regions);
  const found: Command[] = [];
  let isCopied = false;
  for (const command of all.toReversed()) {
    if (known && command.writes.includes(known.region)) {
      // in place of the last command that computes it
      if (!isCopied) found.push(known.copy);
      isCopied = true;
      continue;
    }
    const isStored = command.stores !== undefined && stores(command.stores);
    if (!isStored && !command.writes.some((region) => wanted.has(region))) continue;
    found.push(command);
    for (const region of command.reads) wanted.add(region);
  }
  return found.reverse();
}
