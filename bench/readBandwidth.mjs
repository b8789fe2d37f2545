/**
 * Measures memory bandwidth: `node readBandwidth.mjs 2` → {"bytesPerSecond":…,"threads":2}.
 * Each thread reads its own half gigabyte several times, 16 bytes per load and eight loads in
 * flight. Time runs from the common start until the last thread is done.
 */
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import asc from 'assemblyscript/asc';

const MEBIBYTES = 512;
const [WARM_PASSES, PASSES] = [4, 8];

/** Reads the memory below `end`. The result keeps the compiler from removing the loads. */
const kernel = `
export function read(end: usize): i64 {
  let a = i64x2.splat(0), b = a, c = a, d = a;
  for (let at: usize = 0; at < end; at += 128) {
    a = v128.xor(a, v128.xor(v128.load(at), v128.load(at, 64)));
    b = v128.xor(b, v128.xor(v128.load(at, 16), v128.load(at, 80)));
    c = v128.xor(c, v128.xor(v128.load(at, 32), v128.load(at, 96)));
    d = v128.xor(d, v128.xor(v128.load(at, 48), v128.load(at, 112)));
  }
  const all = v128.xor(v128.xor(a, b), v128.xor(c, d));
  return v128.extract_lane<i64>(all, 0) ^ v128.extract_lane<i64>(all, 1);
}`;

if (isMainThread) {
  const threads = Number(process.argv[2] ?? 1);
  const pages = String(MEBIBYTES * 16);
  const { binary, error, stderr } = await asc.compileString(kernel, {
    optimizeLevel: 3,
    enable: ['simd'],
    runtime: 'stub',
    initialMemory: pages,
    maximumMemory: pages,
  });
  if (error) throw new Error(String(stderr));
  const waiting = new Int32Array(new SharedArrayBuffer(4));
  const workers = Array.from(
    { length: threads },
    () => new Worker(new URL(import.meta.url), { workerData: { binary, waiting, threads } }),
  );
  const spans = await Promise.all(
    workers.map((worker) => new Promise((resolve, reject) => worker.on('message', resolve).on('error', reject))),
  );
  const seconds = (Math.max(...spans.map(({ done }) => done)) - Math.min(...spans.map(({ began }) => began))) / 1000;
  console.log(JSON.stringify({ bytesPerSecond: (threads * PASSES * MEBIBYTES * 2 ** 20) / seconds, threads }));
} else {
  const { binary, waiting, threads } = workerData;
  const { exports } = await WebAssembly.instantiate(await WebAssembly.compile(binary), {
    env: { abort: () => {} },
  });
  const bytes = new Uint8Array(exports.memory.buffer);
  // pages that were never written would share one page of zeros
  bytes.fill(1);
  const read = (passes) => {
    for (let pass = 0; pass < passes; pass++) exports.read(bytes.length);
  };
  read(WARM_PASSES);
  if (Atomics.add(waiting, 0, 1) + 1 === threads) Atomics.notify(waiting, 0);
  for (let arrived; (arrived = Atomics.load(waiting, 0)) < threads; ) Atomics.wait(waiting, 0, arrived);
  // each thread has its own clock, relative to its own time origin
  const now = () => performance.timeOrigin + performance.now();
  const began = now();
  read(PASSES);
  parentPort.postMessage({ began, done: now() });
}
