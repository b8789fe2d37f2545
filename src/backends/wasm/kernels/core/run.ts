/** The main loop of a program: every thread runs its share of every command, and waits at barriers. */
import { COMMAND_BYTES, CONTROL } from "../parts/control";

/** Number of spins before sleeping: about 20 µs between commands, about 200 µs between steps. */
const SPINS: i32 = 20000;
const IDLE_SPINS: i32 = 100000;
/** Nanoseconds after which a waiting thread checks whether another one has failed or ended. */
const SECOND: i64 = 1000000000;
/** A thread that has not arrived at a barrier after so many seconds is taken for dead, where `lost` cannot see it. */
const MOST_SECONDS: i32 = 120;

/** Result of a wait that ended after its time. */
const TIMED_OUT: i32 = 2;

@external("env", "now") declare function now(): f64;
/** True if a thread has ended. Only the caller's thread knows. */
@external("env", "lost") declare function lost(): bool;

function barrier(threads: i32, patient: bool): void {
  const phase = atomic.load<i32>(CONTROL, 8);
  if (atomic.add<i32>(CONTROL, 1, 4) == threads - 1) {
    atomic.store<i32>(CONTROL, 0, 4);
    atomic.add<i32>(CONTROL, 1, 8);
    // a thread counts itself as a sleeper before it checks the phase for the last time, so no wake-up is missed
    if (atomic.load<i32>(CONTROL, 12) > 0) atomic.notify(CONTROL + 8);
    return;
  }
  for (let i = 0; i < SPINS; i++) if (atomic.load<i32>(CONTROL, 8) != phase) return;
  if (patient) {
    atomic.add<i32>(CONTROL, 1, 12);
    let waits = 0;
    while (atomic.load<i32>(CONTROL, 8) == phase) {
      const waited: i32 = atomic.wait<i32>(CONTROL + 8, phase, SECOND);
      if (atomic.load<i32>(CONTROL, 76) || (waited == TIMED_OUT && lost()) || ++waits > MOST_SECONDS) unreachable();
    }
    atomic.sub<i32>(CONTROL, 1, 12);
  } else {
    while (atomic.load<i32>(CONTROL, 8) == phase) if (atomic.load<i32>(CONTROL, 76)) unreachable();
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

/** Starts a step on the waiting workers and takes part as thread 0. @param threads number of threads */
export function step(threads: i32): void {
  const word = atomic.load<i32>(CONTROL);
  // one word contains both the start of a step and the number of threads, so that a worker sees both or neither
  atomic.store<i32>(CONTROL, ((word & ~255) + 256) | threads);
  if (threads > 1) atomic.notify(CONTROL);
  run(0, threads);
}

/** Main function of a worker: waits for steps until it is stopped. @param seen value of the step word when the worker was created */
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
