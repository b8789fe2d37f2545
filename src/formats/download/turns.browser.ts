/** Locks between tabs and workers that write the same file, with the Web Locks API. */

export interface Turn {
  end(): void;
}

export interface TurnOptions {
  readonly signal?: AbortSignal;
  /** Called every 250 ms while waiting for the lock. */
  readonly onWait?: () => void;
}

const WAIT_INTERVAL = 250;

/** Waits for the lock. @throws the signal's reason */
export async function takeTurn(name: string, { signal, onWait }: TurnOptions): Promise<Turn> {
  // insecure origins have neither Web Locks nor a private file system
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
