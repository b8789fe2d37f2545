/** Writes commands to memory, where the kernels' loop reads them. */
import { COMMAND_BYTES } from './control.ts';
import type { Emitter } from './emitter.ts';
import type { KernelModule } from './module.ts';

export function writeCommands(
  memory: WebAssembly.Memory,
  address: number,
  { commands }: Emitter,
  kernels: KernelModule,
  barriers: readonly boolean[],
  scratch: { readonly address: number; readonly stride: number },
): void {
  const view = new DataView(memory.buffer);
  // the staging memory is reused, and unused words must be 0
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
      else if ('offset' in value) view.setUint32(to, value.region.address + value.offset, true);
      else view.setUint32(to, value.address, true);
    });
  });
}
