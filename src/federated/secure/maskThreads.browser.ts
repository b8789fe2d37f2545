/** A page sums no masks of other members, so one thread is enough. */

export async function addMasksOnThreads(): Promise<boolean> {
  return false;
}
