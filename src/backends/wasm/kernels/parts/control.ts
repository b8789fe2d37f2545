/**
 * The interface between JavaScript and the threads: the control block at a fixed address, and the commands of a program.
 *
 *   word  0 step      +256 starts a step; the low byte is the number of active threads; workers wait on it
 *         1 arrived   threads at the barrier
 *         2 phase     +1 when all have arrived
 *         3 sleepers  threads in a futex wait
 *         4 program   address of the first command
 *         5 commands  number of commands
 *         6 T   8 R   tokens and selected rows of this step
 *         7 positions address of each token's position, i32 [T]
 *         9 stop      workers leave their loop
 *        10 patient   caller may sleep at a barrier (a browser's main thread may not)
 *        11 trace     address of f64 seconds per command, 0: no trace
 *        12 sequences address of the table of sequences; 0: the step is a batch without a cache
 *        13 count     sequences in the table
 *        14 kv        format of keys and values: 0 f32, 1 f16, 2 q8_0
 *        15 wide      products take tiles of 8 tokens instead of 4
 *        16 S         rows t and t + S are at the same position: tokens of a sequence of a batch; T in a step with a cache
 *        17 pages     address of the page for each token's keys and values, u32 [T]
 *        18 stream    1: products of one token read their weights in one stream instead of four
 *        19 failed    1: a thread has failed, so that the others do not wait for it
 *
 * It has its own page. The compiler assumes that nothing is below address 1024, and places constants from there on.
 * A command is 32 words: kernel (index in the table), barrier after it (0 or 1), then the kernel's arguments; the last
 * word counts the pieces of work that threads have claimed. It is 0 between steps.
 */
export const CONTROL: usize = 65536;
export const COMMAND_BYTES: usize = 128;

@inline export function tokens(): i32 { return load<i32>(CONTROL, 24); }
/** Position of a token in its sequence. */
@inline export function positionOf(token: i32): i32 { return load<i32>(<usize>load<u32>(CONTROL, 28) + (<usize>token << 2)); }
@inline export function wanted(): i32 { return load<i32>(CONTROL, 32); }

@inline export function wideTiles(): bool { return load<i32>(CONTROL, 60) != 0; }
/**
 * True if products of one token take one group of 8 rows after another, so that weights are read from the first to the last
 * byte. False: four groups at once, which spreads activations once for four. Some processors fetch four streams ahead of
 * need, others only one (LOG.md).
 */
@inline export function oneStream(): bool { return load<i32>(CONTROL, 72) != 0; }
@inline export function sequence(): i32 { return load<i32>(CONTROL, 64); }

/** False for a batch of sequences without a cache. */
@inline export function hasCache(): bool { return load<u32>(CONTROL, 48) != 0; }
/**
 * Address of an entry of the table of sequences, 8 words: first row, rows, position of the first, address of its pages'
 * addresses, address of its states' addresses (one for each page, 0: the page has none; 0 for all if no op has a state).
 */
@inline export function sequenceEntry(i: i32): usize { return <usize>load<u32>(CONTROL, 48) + (<usize>i << 5); }
/** Address of the recurrent states in a page of a sequence; 0: the page has none. */
@inline export function stateOf(entry: usize, page: i32): usize { return load<u32>(<usize>load<u32>(entry, 16) + (<usize>page << 2)); }
@inline export function sequenceCount(): i32 { return load<i32>(CONTROL, 52); }
/** Page for a token's keys and values. */
@inline export function pageOf(token: i32): usize { return load<u32>(<usize>load<u32>(CONTROL, 68) + (<usize>token << 2)); }
@inline export function cacheKind(): i32 { return load<i32>(CONTROL, 56); }

/** Number of rows of a value: 0 means T, 1 means R, −n means n. */
@inline export function rowsOf(kind: i32): i32 { return kind == 0 ? tokens() : kind == 1 ? wanted() : -kind; }

/** Argument i of a command. */
@inline export function argument(command: usize, i: usize): i32 { return load<i32>(command + 8 + (i << 2)); }
@inline export function address(command: usize, i: usize): usize { return load<u32>(command + 8 + (i << 2)); }
@inline export function number(command: usize, i: usize): f32 { return load<f32>(command + 8 + (i << 2)); }

/** A thread's share of `count` items: from … to−1, contiguous so that each core keeps its own rows. */
@inline export function shareFrom(count: i32, thread: i32, threads: i32): i32 { return <i32>(<i64>count * thread / threads); }
@inline export function shareTo(count: i32, thread: i32, threads: i32): i32 { return <i32>(<i64>count * (thread + 1) / threads); }

/** Number of pieces to split `count` items into, so that a delayed thread delays the others little. */
@inline export function piecesOf(count: i32, threads: i32): i32 { return threads == 1 ? 1 : min(count, threads << 5); }

/**
 * Claims the next piece of a command's work. Returns −1 if all are taken. Every thread must call it until
 * then: the last thread resets the counter.
 */
@inline export function claim(command: usize, pieces: i32, threads: i32): i32 {
  const piece = atomic.add<i32>(command, 1, 124);
  if (piece < pieces) return piece;
  if (piece == pieces + threads - 1) atomic.store<i32>(command, 0, 124);
  return -1;
}

/**
 * Claims the next run of a command's items: the first item, or −1 if all are taken. runEnd says where it ends. Every thread
 * must call it until then: the last thread resets the counter.
 *
 * A run is a part of what is left (guided self-scheduling, Polychronopoulos and Kuck 1987): memory delivers long runs
 * faster, and short ones at the end make a delayed thread delay the others little.
 */
@inline export function claimRun(command: usize, count: i32, threads: i32): i32 {
  let from = atomic.load<i32>(command, 124);
  while (from < count) {
    const found = atomic.cmpxchg<i32>(command, from, runEnd(from, count, threads), 124);
    if (found == from) return from;
    from = found;
  }
  if (atomic.add<i32>(command, 1, 124) == count + threads - 1) atomic.store<i32>(command, 0, 124);
  return -1;
}

/** End of the run of items that begins at `from`. */
@inline export function runEnd(from: i32, count: i32, threads: i32): i32 {
  return threads == 1 ? count : from + max(1, (count - from) / (threads << 1));
}
