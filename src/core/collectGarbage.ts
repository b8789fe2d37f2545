/**
 * Engines do not see that a small JavaScript object holds a WebAssembly memory of gigabytes, so they collect it late or
 * never. There is no call that asks for a collection, but allocating large buffers causes one: their pages are never
 * touched and take no memory.
 */
const BUFFER_BYTES = 2 ** 25;
const BUFFERS = 64;

/** Causes a collection soon, in small pieces between other tasks. Resolves when it happened, or was tried long enough. */
export async function collectGarbage(): Promise<void> {
  let collected = false;
  const registry = new FinalizationRegistry(() => {
    collected = true;
  });
  registry.register({}, undefined);
  // buffers that are dropped at once are collected alone, without a look at older objects
  const buffers: ArrayBuffer[] = [];
  while (!collected && buffers.length < BUFFERS && allocate(buffers)) await new Promise((go) => setTimeout(go, 0));
}

/** Causes a collection before it returns, if it can. @param done asked after every 8 buffers */
export function collectGarbageNow(done: () => boolean): void {
  const buffers: ArrayBuffer[] = [];
  while (buffers.length < BUFFERS && allocate(buffers)) if (buffers.length % 8 === 0 && done()) return;
}

/**
 * Causes a collection of young objects. V8 lets the chunks of a response that was read lie around until they fill 32 MiB, and the
 * buffer that this function drops counts as such a chunk.
 */
export function collectYoungGarbage(): void {
  allocate([]);
}

/** @returns false if there is no room for another buffer: the engine has then collected what it could */
function allocate(buffers: ArrayBuffer[]): boolean {
  try {
    buffers.push(new ArrayBuffer(BUFFER_BYTES));
    return true;
  } catch {
    return false;
  }
}
