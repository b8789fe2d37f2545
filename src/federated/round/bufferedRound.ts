/**
 * One version of asynchronous federated learning (FedBuff, Nguyen et al. 2022) as a state machine without I/O. Clients join at any time,
 * train, and send whenever they are done; as soon as `cohort` updates are there, the version is complete and the next one opens. Members that
 * still train are carried over: later versions take their updates, up to `maximumStaleness` versions later. A member that has not sent
 * `deadlines.update` after its join is dropped, so that clients which vanish keep no place. The state is a function of the settings, of what
 * was carried over, and of the events.
 * A client joins a version at most once, and contributes at most once to each, so that fast clients do not fill it.
 * Messages must have valid signatures; who applies events checks them.
 */
import { digestOf, type MessageOf, type RoundMessage } from './messages.ts';
import type {
  Contribution,
  Dropouts,
  Instruction,
  Phase,
  Receipt,
  RoundEvent,
  RoundMachine,
  VisibleUpdate,
} from './protocol.ts';
import { ACCEPTED, bodyProblem, notComplete, refused } from './receipts.ts';
import { configHash, type RoundConfig } from './roundConfig.ts';

/** A client that has joined a version and has not sent its update yet. */
export interface TrainingMember {
  readonly client: string;
  /** Id of the version that it joined. */
  readonly round: string;
  readonly examples: number;
  /** Digest of its message 'join'. */
  readonly join: string;
  /** Server's time of the join, in milliseconds. */
  readonly at: number;
}

/** A version that is over, whose members may still send. */
export interface EarlierVersion {
  readonly config: RoundConfig;
  /** Number of times that the weights moved since. */
  readonly staleness: number;
}

/** What a version leaves to the next one. JSON-safe. */
export interface Carried {
  readonly members: readonly TrainingMember[];
  /** The latest first. */
  readonly versions: readonly EarlierVersion[];
}

/** An update in the buffer. */
interface Buffered extends VisibleUpdate {
  /** Id of the version that its client joined. */
  readonly round: string;
}

export class BufferedRound implements RoundMachine {
  readonly config: RoundConfig;
  readonly configHash: string;
  readonly #limits: NonNullable<RoundConfig['asynchronous']>;
  #phase: Phase = 'update';
  #isComplete = false;
  #deadline: number;
  #reason = '';
  /** This version and earlier ones by id, the latest first. */
  readonly #versions = new Map<string, EarlierVersion & { readonly hash: string }>();
  readonly #training = new Map<string, TrainingMember>();
  readonly #buffer = new Map<string, Buffered>();
  #joined = 0;
  /** Version and name of members that ran out of time while this version was open. */
  readonly #dropped = new Set<string>();
  /** Version and name of clients that withdrew while this version was open. */
  readonly #withdrawn = new Set<string>();
  /** Digests of accepted messages by kind, version and client. */
  readonly #digests = new Map<string, string>();

  /** @param openedAt server's time in milliseconds @param carried from the version before */
  constructor(config: RoundConfig, openedAt: number, carried: Carried = { members: [], versions: [] }) {
    this.config = config;
    this.configHash = configHash(config);
    this.#limits = config.asynchronous!;
    this.#deadline = openedAt + config.deadlines.update;
    for (const version of [{ config, staleness: 0 }, ...carried.versions])
      this.#versions.set(version.config.id, { ...version, hash: configHash(version.config) });
    for (const member of carried.members) {
      this.#training.set(member.client, member);
      this.#digests.set(keyOf('join', member), member.join);
    }
  }

  get phase(): Phase {
    return this.#phase;
  }

  get deadline(): number {
    if (this.#isOver()) return this.#deadline;
    const [first] = this.#training.values();
    return first ? Math.min(this.#deadline, this.#endOf(first)) : this.#deadline;
  }

  get reason(): string {
    return this.#reason;
  }

  /** Clients that have joined this version. */
  get joined(): number {
    return this.#joined;
  }

  /** Number of clients that train, from this version or from earlier ones. */
  get training(): number {
    return this.#training.size;
  }

  get contributors(): readonly Contribution[] {
    return this.#inOrder().map(({ client, examples, staleness }) => ({ client, examples, staleness }));
  }

  /** `update` counts the members that ran out of time, and those that no later version takes an update from. */
  get dropouts(): Dropouts {
    const tooStale = this.#isOver() ? this.#training.size - this.carried.members.length : 0;
    return { keys: 0, update: this.#dropped.size + tooStale, confirm: 0, unmask: 0, withdrawn: this.#withdrawn.size };
  }

  get isComplete(): boolean {
    return this.#phase === 'update' && this.#isComplete;
  }

  /** What the next version needs, once this one is over. */
  get carried(): Carried {
    const moved = this.#phase === 'closed' ? 1 : 0;
    const versions = [...this.#versions.values()]
      .slice(0, this.#limits.maximumStaleness)
      .map(({ config, staleness }) => ({ config, staleness: staleness + moved }));
    const kept = new Set(versions.map(({ config }) => config.id));
    return { versions, members: [...this.#training.values()].filter(({ round }) => kept.has(round)) };
  }

  apply(event: RoundEvent): Receipt {
    const { id } = this.config;
    if (!this.#isOver()) this.#dropLate(event.at);
    if (event.at >= this.#deadline) this.#finish();
    if (event.kind === 'time') return ACCEPTED;
    if (event.kind === 'message') return this.#receive(event.message, event.at);
    if (event.kind === 'close') {
      if (!this.isComplete) return refused('NOT_COMPLETE', `version ${id} is not complete`);
      this.#phase = 'closed';
      this.#deadline = Number.POSITIVE_INFINITY;
      return ACCEPTED;
    }
    if (this.#isOver()) return refused('TOO_LATE', `version ${id} is over`);
    this.#abort(event.reason);
    return ACCEPTED;
  }

  /** Drops members whose time is over, in the order in which they joined. */
  #dropLate(now: number): void {
    for (const member of this.#training.values()) {
      if (now < this.#endOf(member)) return;
      this.#training.delete(member.client);
      this.#dropped.add(memberKey(member));
    }
  }

  #endOf({ at }: TrainingMember): number {
    return at + this.config.deadlines.update;
  }

  /** The deadline has passed. */
  #finish(): void {
    if (this.#isOver() || this.#isComplete) return;
    const { minimumCohort } = this.config;
    if (this.#buffer.size >= minimumCohort) this.#isComplete = true;
    else this.#abort(`${this.#buffer.size} clients sent updates, expected at least ${minimumCohort}`);
  }

  #abort(reason: string): void {
    this.#phase = 'aborted';
    this.#reason = reason;
    this.#deadline = Number.POSITIVE_INFINITY;
    this.#buffer.clear();
  }

  #isOver(): boolean {
    return this.#phase !== 'update';
  }

  #receive(message: RoundMessage, at: number): Receipt {
    const { client, kind, round } = message;
    if (!this.#versions.has(round)) return this.refusalOf(round);
    const digest = digestOf(message);
    const known = this.#digests.get(keyOf(kind, message));
    if (known !== undefined) {
      if (known === digest) return { status: 'duplicate' };
      return refused('CONFLICT', `${client} has already sent another message '${kind}' for version ${round}`);
    }
    if (kind === 'shares' || kind === 'confirm' || kind === 'unmask')
      return refused('BAD_MESSAGE', `version ${round} is asynchronous and takes no message '${kind}'`);
    if (this.#isOver()) return refused('TOO_LATE', `version ${this.config.id} is ${this.#phase}`);
    if (this.#isComplete) return refused('TOO_EARLY', `the updates of version ${this.config.id} are being combined`);
    const problem = this.#problem(message);
    if (problem) return problem;
    this.#digests.set(keyOf(kind, message), digest);
    if (message.kind === 'join') this.#join(message, digest, at);
    else if (message.kind === 'update') this.#add(message);
    else this.#withdraw(message);
    return ACCEPTED;
  }

  #problem(message: MessageOf<'join' | 'update' | 'withdraw'>): Receipt | undefined {
    const { client, kind, round } = message;
    if (kind === 'join') return this.#joinProblem(message);
    const isTraining = this.#training.get(client)?.round === round;
    if (kind === 'update') {
      if (this.#dropped.has(memberKey(message)))
        return refused(
          'TOO_LATE',
          `${client} joined version ${round} more than ${this.config.deadlines.update} ms ago`,
        );
      if (!isTraining) return refused('NOT_A_MEMBER', `${client} does not train from version ${round}`);
      return bodyProblem(message.body, this.config);
    }
    if (!isTraining && this.#buffer.get(client)?.round !== round)
      return refused('NOT_A_MEMBER', `${client} is no member of version ${round}`);
    // without a limit, one client that joins and withdraws under ever new names would fill the journal
    const { concurrency } = this.#limits;
    if (this.#withdrawn.size < concurrency) return undefined;
    const count = `${concurrency} clients have withdrawn during version ${this.config.id} already`;
    return refused('TOO_LATE', `${count}: send nothing more instead`);
  }

  #joinProblem(message: MessageOf<'join'>): Receipt | undefined {
    const { client, examples, keys, round } = message;
    const { id, maximumExamples } = this.config;
    if (round !== id) return refused('TOO_LATE', `version ${round} takes no clients any more: join version ${id}`);
    if (examples > maximumExamples)
      return refused('BAD_MESSAGE', `${client} counts ${examples} examples, expected at most ${maximumExamples}`);
    if (keys) return refused('BAD_MESSAGE', `version ${id} is visible: it has no keys`);
    if (this.#withdrawn.has(memberKey(message)))
      return refused('NOT_A_MEMBER', `${client} has withdrawn from version ${id}`);
    const training = this.#training.get(client);
    if (training) return refused('CONFLICT', `${client} still trains from version ${training.round}`);
    if (this.#buffer.has(client))
      return refused('TOO_EARLY', `${client} has contributed to version ${id}: join the next one`);
    if (this.#isFull()) return refused('TOO_EARLY', `${this.#training.size} clients train, which is the maximum`);
    return undefined;
  }

  #isFull(): boolean {
    return this.#training.size >= this.#limits.concurrency;
  }

  #join({ client, round, examples }: MessageOf<'join'>, digest: string, at: number): void {
    this.#training.set(client, { client, round, examples, join: digest, at });
    this.#joined++;
  }

  #add({ client, round, body }: MessageOf<'update'>): void {
    const { examples } = this.#training.get(client)!;
    const { staleness } = this.#versions.get(round)!;
    this.#training.delete(client);
    this.#buffer.set(client, { client, round, examples, staleness, body: new Uint8Array(body) });
    if (this.#buffer.size === this.config.cohort) this.#isComplete = true;
  }

  #withdraw(message: MessageOf<'withdraw'>): void {
    const { client, round } = message;
    this.#withdrawn.add(memberKey(message));
    if (this.#training.get(client)?.round === round) this.#training.delete(client);
    else this.#buffer.delete(client);
  }

  instructionFor(client: string): Instruction {
    const phase = this.#phase;
    if (phase === 'aborted') return { phase, reason: this.#reason };
    if (phase === 'closed') return { phase };
    if (this.#isComplete) return { phase: 'wait', for: 'update' };
    if (this.#training.has(client)) return { phase: 'update' };
    const member = memberKey({ client, round: this.config.id });
    const hasLeft = this.#withdrawn.has(member) || this.#dropped.has(member);
    if (this.#buffer.has(client) || hasLeft) return { phase: 'wait', for: 'update' };
    return this.#isFull() ? { phase: 'wait', for: 'open' } : { phase: 'open' };
  }

  /** The version from which the client trains; for others this one. */
  configFor(client: string): RoundConfig {
    const training = this.#training.get(client);
    return training ? this.#versions.get(training.round)!.config : this.config;
  }

  hashOf(round: string): string | undefined {
    return this.#versions.get(round)?.hash;
  }

  refusalOf(round: string): Receipt {
    const { id } = this.config;
    const [name, number] = partsOf(id);
    const [otherName, other] = partsOf(round);
    if (otherName !== name || !(other < number))
      return refused('WRONG_ROUND', `the message is for version ${round}, this is ${id}`);
    const { maximumStaleness } = this.#limits;
    return refused('TOO_LATE', `version ${round} is more than ${maximumStaleness} versions older than ${id}`);
  }

  get visibleUpdates(): readonly VisibleUpdate[] {
    if (!this.isComplete) throw notComplete(this);
    return this.#inOrder();
  }

  #inOrder(): Buffered[] {
    return [...this.#buffer.values()].sort((a, b) => (a.client < b.client ? -1 : 1));
  }
}

interface Sender {
  readonly client: string;
  readonly round: string;
}

function memberKey({ client, round }: Sender): string {
  return `${round} ${client}`;
}

function keyOf(kind: RoundMessage['kind'], sender: Sender): string {
  return `${kind} ${memberKey(sender)}`;
}

/** Name of the federation and number of the version. */
function partsOf(id: string): [string, number] {
  const at = id.lastIndexOf('-');
  return [id.slice(0, at), Number(id.slice(at + 1))];
}
