/** Limits who may join a round, so that one attacker cannot fill every cohort with names that it made up. */
export interface AdmissionOptions {
  /** Names (public keys) of the clients that may join. Default: everybody. */
  readonly allowed?: ReadonlySet<string>;
  /**
   * Maximum number of names that may join a round from one address. With asynchronous rounds, names that still train from earlier versions
   * count, too. A restart in an open round counts anew. Default: no limit.
   */
  readonly maximumPerAddress?: number;
}

export class Admission {
  readonly #options: AdmissionOptions;
  #round = '';
  /** Names that joined the round, by address. */
  readonly #names = new Map<string, Set<string>>();

  constructor(options: AdmissionOptions) {
    this.#options = options;
  }

  /** Returns why a client may not join, or undefined. @param address from which it asks; undefined within a process */
  problem(client: string, address?: string): string | undefined {
    const { allowed, maximumPerAddress = Number.POSITIVE_INFINITY } = this.#options;
    if (allowed && !allowed.has(client)) return `${client} is not on the server's list of clients`;
    if (address === undefined) return undefined;
    const names = this.#namesOf(address);
    if (names.has(client) || names.size < maximumPerAddress) return undefined;
    return `${names.size} clients of ${networkOf(address)} have joined round ${this.#round}, which is the maximum for one address`;
  }

  /** Begins to count for another round. @param kept clients that joined an earlier one and are still in it */
  startRound(round: string, kept: readonly string[]): void {
    this.#round = round;
    const members = new Set(kept);
    for (const [network, names] of this.#names) {
      for (const name of names) if (!members.has(name)) names.delete(name);
      if (names.size === 0) this.#names.delete(network);
    }
  }

  /** Counts a client that has joined. */
  count(client: string, address?: string): void {
    if (address !== undefined) this.#namesOf(address).add(client);
  }

  #namesOf(address: string): Set<string> {
    const network = networkOf(address);
    let names = this.#names.get(network);
    if (!names) this.#names.set(network, (names = new Set()));
    return names;
  }
}

/** The address in IPv4; in IPv6 the first 64 bits, of which one customer has all addresses. */
export function networkOf(address: string): string {
  const ipv4 = /^(?:::ffff:)?(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (ipv4 !== undefined) return ipv4;
  const [head, tail] = address.split('%')[0].split('::');
  const groups = head === '' ? [] : head.split(':');
  const after = tail ? tail.split(':').length : 0;
  if (tail !== undefined) while (groups.length < 8 - after) groups.push('0');
  return `${groups
    .slice(0, 4)
    .map((group) => Number.parseInt(group, 16).toString(16))
    .join(':')}::/64`;
}
