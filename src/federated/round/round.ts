/**
 * One round of federated learning as a state machine without I/O: open → keys → update → confirm → unmask → closed, or aborted. Its
 * state is a function of its settings and its events, so a server that was killed replays them. A 'visible' round has no keys,
 * no confirmation and no shares.
 * Messages must have valid signatures; who applies events checks them.
 */
import { addIntegers } from '../secure/mask.ts';
import { type Roster, rosterOf, sumHash } from '../secure/roster.ts';
import type { SecureSum } from '../secure/unmask.ts';
import { keysProblem, shareProblem } from './checks.ts';
import { digestOf, type MessageKind, type MessageOf, type RoundMessage } from './messages.ts';
import type {
  AnsweredPhase,
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

const phaseOf: Readonly<Record<Exclude<MessageKind, 'withdraw'>, Phase>> = {
  join: 'open',
  shares: 'keys',
  update: 'update',
  confirm: 'confirm',
  unmask: 'unmask',
};
const order: readonly Phase[] = ['open', 'keys', 'update', 'confirm', 'unmask', 'closed', 'aborted'];

function isAnswered(phase: Phase): phase is AnsweredPhase {
  return phase === 'keys' || phase === 'update' || phase === 'confirm' || phase === 'unmask';
}

export class Round implements RoundMachine {
  readonly config: RoundConfig;
  /** Hash that messages sign. */
  readonly configHash: string;
  #phase: Phase = 'open';
  #deadline: number;
  #reason = '';
  #roster: Roster | undefined;
  readonly #joins = new Map<string, MessageOf<'join'>>();
  readonly #shares = new Map<string, MessageOf<'shares'>>();
  /** Members whose update was accepted; the body only in mode 'visible'. */
  readonly #updates = new Map<string, Uint8Array | undefined>();
  readonly #confirms = new Map<string, MessageOf<'confirm'>>();
  readonly #unmasks = new Map<string, MessageOf<'unmask'>>();
  readonly #withdrawn = new Set<string>();
  readonly #dropouts = { keys: 0, update: 0, confirm: 0, unmask: 0 };
  /** Digests of accepted messages by kind and client. */
  readonly #digests = new Map<string, string>();
  /** Sum of the masked updates mod 2³². */
  #sum: Int32Array | undefined;

  /** @param openedAt server's time in milliseconds */
  constructor(config: RoundConfig, openedAt: number) {
    this.config = config;
    this.configHash = configHash(config);
    this.#deadline = openedAt + config.deadlines.open;
  }

  get phase(): Phase {
    return this.#phase;
  }

  /** Time of the next transition if nobody else sends anything; Infinity at the end. */
  get deadline(): number {
    return this.#deadline;
  }

  /** Reason of an aborted round. */
  get reason(): string {
    return this.#reason;
  }

  /** Members by name; empty while the round is open. */
  get members(): readonly string[] {
    return this.#phase === 'open' ? [] : [...this.#joins.keys()].sort();
  }

  /** Clients that have joined so far. */
  get joined(): number {
    return this.#joins.size;
  }

  /** Members whose update counts, by name, with the examples that they declared. */
  get contributors(): readonly Contribution[] {
    const names = [...this.#updates.keys()].sort();
    return names.map((client) => ({ client, examples: this.#joins.get(client)!.examples }));
  }

  get dropouts(): Dropouts {
    return { ...this.#dropouts, withdrawn: this.#withdrawn.size };
  }

  /** True if the result can be computed: then the server computes it and applies 'close', or 'abort'. */
  get isComplete(): boolean {
    if (this.#phase !== 'unmask') return false;
    return this.config.mode === 'visible' || this.#hasEnoughShares();
  }

  /** Applies an event. Refused events change nothing. */
  apply(event: RoundEvent): Receipt {
    this.#passTime(event.at);
    if (event.kind === 'time') return ACCEPTED;
    if (event.kind === 'close') {
      if (!this.isComplete) return refused('NOT_COMPLETE', `round ${this.config.id} is not complete`);
      this.#enter('closed', event.at);
      return ACCEPTED;
    }
    if (event.kind === 'abort') {
      if (this.#isOver()) return refused('TOO_LATE', `round ${this.config.id} is over`);
      this.#abort(event.reason);
      return ACCEPTED;
    }
    return this.#receive(event.message, event.at);
  }

  #receive(message: RoundMessage, at: number): Receipt {
    const { id } = this.config;
    const { client, kind } = message;
    if (message.round !== id) return this.refusalOf(message.round);
    const key = `${kind} ${client}`;
    const digest = digestOf(message);
    const known = this.#digests.get(key);
    if (known !== undefined) {
      if (known === digest) return { status: 'duplicate' };
      return refused('CONFLICT', `${client} has already sent another message '${kind}' in round ${id}`);
    }
    if (kind === 'withdraw') return this.#withdraw(message, digest, at);
    const expected = order.indexOf(phaseOf[kind]) - order.indexOf(this.#phase);
    if (expected < 0 || this.#isOver())
      return refused('TOO_LATE', `round ${id} takes no message '${kind}' any more: it is ${this.#phase}`);
    if (expected > 0) return refused('TOO_EARLY', `round ${id} is ${this.#phase} and takes no message '${kind}' yet`);
    const problem = kind === 'join' ? this.#joinProblem(message) : this.#memberProblem(message);
    if (problem) return problem;
    this.#digests.set(key, digest);
    this.#accept(message);
    this.#advance(at);
    return ACCEPTED;
  }

  #joinProblem(message: MessageOf<'join'>): Receipt | undefined {
    const { client, examples, keys } = message;
    const { maximumExamples, mode, id } = this.config;
    if (examples > maximumExamples)
      return refused('BAD_MESSAGE', `${client} counts ${examples} examples, expected at most ${maximumExamples}`);
    if ((keys !== undefined) !== (mode === 'secure'))
      return refused('BAD_MESSAGE', `round ${id} is ${mode}: it ${mode === 'secure' ? 'needs' : 'has no'} keys`);
    if (this.#withdrawn.has(client)) return refused('NOT_A_MEMBER', `${client} has withdrawn from round ${id}`);
    const problem = keysProblem(message, this.#joins);
    return problem === undefined ? undefined : refused('BAD_MESSAGE', problem);
  }

  #memberProblem(message: MessageOf<'shares' | 'update' | 'confirm' | 'unmask'>): Receipt | undefined {
    const { client, kind } = message;
    const { id, mode } = this.config;
    const isMember = this.#joins.has(client) && !this.#withdrawn.has(client);
    if (!isMember) return refused('NOT_A_MEMBER', `${client} is no member of round ${id}`);
    if (kind === 'update') {
      if (mode === 'secure' && !this.#shares.has(client))
        return refused('NOT_A_MEMBER', `${client} sent no shares in time`);
      return bodyProblem(message.body, this.config);
    }
    if (kind !== 'shares' && !this.#updates.has(client))
      return refused('NOT_A_MEMBER', `${client} sent no update in time`);
    if (kind === 'confirm') {
      const { survivors, dropped } = this.#sumMembers();
      if (message.sum === sumHash(this.#roster!, survivors, dropped)) return undefined;
      return refused('BAD_MESSAGE', `${client} confirmed other members than those of the sum`);
    }
    const problem = shareProblem(message, this.#roster!, this.#shares, this.#updates);
    return problem === undefined ? undefined : refused('BAD_MESSAGE', problem);
  }

  #accept(message: Exclude<RoundMessage, { kind: 'withdraw' }>): void {
    const { client } = message;
    if (message.kind === 'join') this.#joins.set(client, message);
    else if (message.kind === 'shares') this.#shares.set(client, message);
    else if (message.kind === 'confirm') this.#confirms.set(client, message);
    else if (message.kind === 'unmask') this.#unmasks.set(client, message);
    else if (this.config.mode === 'visible') this.#updates.set(client, new Uint8Array(message.body));
    else {
      this.#sum ??= new Int32Array(this.config.parameters);
      addIntegers(this.#sum, message.body);
      this.#updates.set(client, undefined);
    }
  }

  #withdraw({ client }: MessageOf<'withdraw'>, digest: string, at: number): Receipt {
    const { id, mode, cohort } = this.config;
    if (this.#isOver()) return refused('TOO_LATE', `round ${id} is ${this.#phase}`);
    if (!this.#joins.has(client)) return refused('NOT_A_MEMBER', `${client} is no member of round ${id}`);
    // without a limit, one client that joins and withdraws under ever new names would fill the journal
    if (this.#phase === 'open' && this.#withdrawn.size >= cohort)
      return refused(
        'TOO_LATE',
        `${cohort} clients have withdrawn from round ${id} already: send nothing more instead`,
      );
    if (this.#updates.has(client) && (mode === 'secure' || this.#phase !== 'update'))
      return refused('TOO_LATE', `the update of ${client} is part of the sum of round ${id} already`);
    this.#digests.set(`withdraw ${client}`, digest);
    this.#withdrawn.add(client);
    this.#updates.delete(client);
    if (this.#phase === 'open') this.#joins.delete(client);
    this.#advance(at);
    return ACCEPTED;
  }

  /** Enters the next phase if everybody has sent what this phase waits for. */
  #advance(at: number): void {
    if (this.#phase === 'open') {
      if (this.#joins.size === this.config.cohort) this.#finishPhase(at);
    } else if (this.#phase !== 'unmask' && isAnswered(this.#phase) && this.#missing(this.#phase) === 0)
      this.#finishPhase(at);
  }

  /** Number of members from which a phase waits for a message. */
  #missing(phase: AnsweredPhase): number {
    const [waited, sent] = {
      keys: [this.#joins, this.#shares] as const,
      update: [this.config.mode === 'secure' ? this.#shares : this.#joins, this.#updates] as const,
      confirm: [this.#updates, this.#confirms] as const,
      unmask: [this.#updates, this.#unmasks] as const,
    }[phase];
    return [...waited.keys()].filter((client) => !sent.has(client) && !this.#withdrawn.has(client)).length;
  }

  /** A deadline passes at its own time, however late the server notices it. */
  #passTime(at: number): void {
    while (at >= this.#deadline && !this.#isOver() && !this.isComplete) this.#finishPhase(this.#deadline);
  }

  /** Enters the next phase with those who are there, or aborts. */
  #finishPhase(at: number): void {
    const phase = this.#phase;
    if (isAnswered(phase)) this.#dropouts[phase] = this.#missing(phase);
    const problem = this.#phaseProblem();
    if (problem !== undefined) this.#abort(problem);
    else if (this.#phase === 'open' && this.config.mode === 'secure') {
      this.#roster = rosterOf(this.#joins.values(), this.config);
      this.#enter('keys', at);
    } else if (this.#phase === 'update') this.#enter(this.config.mode === 'secure' ? 'confirm' : 'unmask', at);
    else this.#enter(this.#phase === 'confirm' ? 'unmask' : 'update', at);
  }

  /** Returns why the round cannot leave its phase, or undefined. */
  #phaseProblem(): string | undefined {
    const { minimumCohort } = this.config;
    const threshold = this.#roster?.threshold;
    if (this.#phase === 'unmask') {
      const answered = `${this.#unmasks.size} of ${this.#updates.size} members sent shares`;
      return `${answered}; ${this.#lackingShares()} masks cannot be removed, because fewer than ${threshold} neighbours of their members answered`;
    }
    if (this.#phase === 'confirm') {
      const { quorum } = this.#roster!;
      if (this.#confirms.size >= quorum) return undefined;
      return `${this.#confirms.size} members confirmed the sum, expected at least ${quorum}`;
    }
    const [remaining, what] = {
      open: [this.#joins, 'clients joined'] as const,
      keys: [this.#shares, 'members sent shares'] as const,
      update: [this.#updates, 'members sent updates'] as const,
    }[this.#phase as 'open' | 'keys' | 'update'];
    if (remaining.size < minimumCohort) return `${remaining.size} ${what}, expected at least ${minimumCohort}`;
    const lost = this.#roster ? this.#lostMembers(remaining) : 0;
    if (lost === 0) return undefined;
    return `${lost} members have fewer than ${threshold} neighbours left, so their masks could not be removed`;
  }

  /** Number of members with shares whose remaining neighbours are fewer than the threshold. */
  #lostMembers(remaining: ReadonlyMap<string, unknown>): number {
    const { neighbours, threshold } = this.#roster!;
    const isLost = (client: string) =>
      neighbours.get(client)!.filter((other) => remaining.has(other)).length < threshold;
    return [...this.#shares.keys()].filter(isLost).length;
  }

  #enter(phase: Phase, at: number): void {
    this.#phase = phase;
    const { deadlines } = this.config;
    const durations: Readonly<Partial<Record<Phase, number>>> = { ...deadlines, confirm: deadlines.unmask };
    this.#deadline = at + (durations[phase] ?? Number.POSITIVE_INFINITY);
  }

  #abort(reason: string): void {
    this.#phase = 'aborted';
    this.#reason = reason;
    this.#deadline = Number.POSITIVE_INFINITY;
    this.#sum = undefined;
    this.#updates.clear();
  }

  #isOver(): boolean {
    return this.#phase === 'closed' || this.#phase === 'aborted';
  }

  #hasEnoughShares(): boolean {
    return this.#unmasks.size >= this.#roster!.threshold && this.#lackingShares() === 0;
  }

  /** Number of masks for which there are fewer shares than the threshold. */
  #lackingShares(): number {
    const { neighbours, threshold } = this.#roster!;
    let lacking = 0;
    for (const client of this.#shares.keys()) {
      const answered = neighbours.get(client)!.filter((other) => this.#unmasks.has(other)).length;
      if (answered < threshold) lacking++;
    }
    return lacking;
  }

  configFor(): RoundConfig {
    return this.config;
  }

  hashOf(round: string): string | undefined {
    return round === this.config.id ? this.configHash : undefined;
  }

  refusalOf(round: string): Receipt {
    return refused('WRONG_ROUND', `the message is for round ${round}, this is ${this.config.id}`);
  }

  /** Returns a client's next step; the same one until the client has taken it. */
  instructionFor(client: string): Instruction {
    const phase = this.#phase;
    if (phase === 'aborted') return { phase, reason: this.#reason };
    if (phase === 'closed') return { phase };
    const wait: Instruction = { phase: 'wait', for: phase };
    if (this.#withdrawn.has(client)) return wait;
    if (phase === 'open') return this.#joins.has(client) ? wait : { phase };
    if (!this.#joins.has(client)) return wait;
    if (phase === 'keys') return this.#shares.has(client) ? wait : { phase, roster: [...this.#joins.values()] };
    if (phase === 'update') {
      if (this.#updates.has(client)) return wait;
      if (this.config.mode === 'visible') return { phase };
      if (!this.#shares.has(client)) return wait;
      return { phase, senders: [...this.#shares.keys()].sort(), ...this.#sharesFor(client) };
    }
    if (this.config.mode === 'visible' || !this.#updates.has(client)) return wait;
    if (phase === 'confirm') return this.#confirms.has(client) ? wait : { phase, ...this.#sumMembers() };
    if (this.#unmasks.has(client)) return wait;
    const confirmations = Object.fromEntries([...this.#confirms].map(([name, { signature }]) => [name, signature]));
    return { phase, ...this.#sumMembers(), confirmations };
  }

  /** Members whose update is in the sum, and those that sent shares but no update. */
  #sumMembers(): { readonly survivors: readonly string[]; readonly dropped: readonly string[] } {
    const survivors = [...this.#updates.keys()].sort();
    const dropped = [...this.#shares.keys()].filter((member) => !this.#updates.has(member)).sort();
    return { survivors, dropped };
  }

  #sharesFor(client: string) {
    const sealed: Record<string, string> = {};
    const commitments: Record<string, readonly [string, string]> = {};
    for (const other of this.#roster!.neighbours.get(client)!) {
      const shares = this.#shares.get(other);
      if (!shares) continue;
      sealed[other] = shares.sealed[client];
      commitments[other] = shares.commitments[client];
    }
    return { sealed, commitments };
  }

  /** Input of `unmask`, which removes the masks from the sum. @throws {FederatedError} if the round is not complete */
  get secureSum(): SecureSum {
    if (!this.isComplete || !this.#sum) throw notComplete(this);
    const { contributors } = this;
    return {
      roster: this.#roster!,
      shares: this.#shares,
      unmasks: this.#unmasks,
      survivors: new Set(contributors.map(({ client }) => client)),
      sum: this.#sum,
    };
  }

  /** Updates by client, in the order of names. Mode 'visible'. @throws {FederatedError} if the round is not complete */
  get visibleUpdates(): readonly VisibleUpdate[] {
    if (!this.isComplete || this.config.mode !== 'visible') throw notComplete(this);
    return this.contributors.map((contributor) => ({ ...contributor, body: this.#updates.get(contributor.client)! }));
  }
}
