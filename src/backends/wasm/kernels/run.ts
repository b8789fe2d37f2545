/** The program's loop: every thread runs every command on its own share, and waits for the others where a command says so. */
import { COMMAND_BYTES, CONTROL } from "./parts/control";

/** Looks at a word this often before it sleeps: some 20 µs between commands, some 200 µs between steps. */
const SPINS: i32 = 20000;
const IDLE_SPINS: i32 = 100000;

@external("env", "now") declare function now(): f64;

function barrier(threads: i32, patient: bool): void {
  const phase = atomic.load<i32>(CONTROL, 8);
  if (atomic.add<i32>(CONTROL, 1, 4) == threads - 1) {
    atomic.store<i32>(CONTROL, 0, 4);
    atomic.add<i32>(CONTROL, 1, 8);
    // a sleeper counts itself before it looks at the phase a last time, so none is missed
    if (atomic.load<i32>(CONTROL, 12) > 0) atomic.notify(CONTROL + 8);
    return;
  }
  for (let i = 0; i < SPINS; i++) if (atomic.load<i32>(CONTROL, 8) != phase) return;
  if (patient) {
    atomic.add<i32>(CONTROL, 1, 12);
    while (atomic.load<i32>(CONTROL, 8) == phase) atomic.wait<i32>(CONTROL + 8, phase, -1);
    atomic.sub<i32>(CONTROL, 1, 12);
  } else {
    while (atomic.load<i32>(CONTROL, 8) == phase) {}
  }
}

/** Runs the commands of one step as thread `thread`; returns when all threads are done. */
export function run(thread: i32, threads: i32): void {
  const patient = thread > 0 || load<i32>(CONTROL, 40) != 0;
  const trace: usize = thread == 0 ? load<u32>(CONTROL, 44) : 0;
  const count = load<i32>(CONTROL, 20);
  let command: usize = load<u32>(CONTROL, 16);
  for (let i = 0; i < count; i++) {
    const begun = trace ? now() : 0;
    call_indirect<void>(load<u32>(command), command, thread, threads);
    if (threads > 1 && load<i32>(command, 4)) barrier(threads, patient);
    if (trace) store<f64>(trace + (i << 3), load<f64>(trace + (i << 3)) + now() - begun);
    command += COMMAND_BYTES;
  }
}

/** Starts the waiting workers on a step and takes part in it as thread 0. @param threads how many take part */
export function step(threads: i32): void {
  const word = atomic.load<i32>(CONTROL);
  // one word says both that a step begins and who takes part, so that a worker cannot take one for the other
  atomic.store<i32>(CONTROL, ((word & ~255) + 256) | threads);
  if (threads > 1) atomic.notify(CONTROL);
  run(0, threads);
}

/** A worker's life: waits for steps until told to stop. @param seen the step word when the worker was made */
export function work(thread: i32, seen: i32): void {
  while (true) {
    let spins = 0;
    let word = atomic.load<i32>(CONTROL);
    while (word == seen) {
      if (++spins > IDLE_SPINS) atomic.wait<i32>(CONTROL, seen, -1);
      word = atomic.load<i32>(CONTROL);
    }
    if (atomic.load<i32>(CONTROL, 36)) return;
    seen = word;
    if (thread < (word & 255)) run(thread, word & 255);
  }
}
