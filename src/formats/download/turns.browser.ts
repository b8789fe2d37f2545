/** Turns of tabs and workers that want to write the same file, by Web Locks. */

export interface Turn {
  end(): void;
}

export interface TurnOptions {
  readonly signal?: AbortSignal;
  /** Called every quarter of a second while somebody else has the turn. */
  readonly onWait?: () => void;
}

const WAIT_INTERVAL = 250;

/** Waits for the turn. @throws the signal's reason */
export async function takeTurn(name: string, { signal, onWait }: TurnOptions): Promise<Turn> {
  // pages of insecure origins have no locks, and no private file system either
  if (!navigator.locks) return { end() {} };
  const timer = onWait && setInterval(onWait, WAIT_INTERVAL);
  try {
    return await new Promise<Turn>((resolve, reject) => {
      const held = () => new Promise<void>((end) => resolve({ end }));
      navigator.locks.request(name, { signal }, held).catch(reject);
    });
  } catch (error) {
    signal?.throwIfAborted();
    throw error;
  } finally {
    clearInterval(timer);
  }
}
