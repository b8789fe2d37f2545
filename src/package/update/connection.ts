/** What the browser says of the connection. Node says nothing. */

/** The Network Information API, which only some browsers have. */
interface Connection {
  /** Megabits per second. */
  readonly downlink?: number;
  readonly saveData?: boolean;
  readonly type?: string;
}

const connection = (): Connection | undefined =>
  (globalThis as { navigator?: { connection?: Connection } }).navigator?.connection;

/** Undefined if it is unknown. */
export function bytesPerSecond(): number | undefined {
  const megabits = connection()?.downlink;
  return megabits !== undefined && megabits > 0 ? (megabits * 1e6) / 8 : undefined;
}

/** True if the user pays by the byte, or asked to save data. */
export function isMetered(): boolean {
  const { saveData = false, type } = connection() ?? {};
  return saveData || type === 'cellular';
}
