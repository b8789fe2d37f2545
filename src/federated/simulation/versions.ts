/**
 * Plays asynchronous rounds: clients are drawn as soon as the server takes more, and their updates arrive in the order of simulated
 * time. A client trains when its update is due, from the weights that it joined with, so memory holds the clients that train and
 * the versions that they train from.
 */
import type { Random } from '../../core/random.ts';
import { encodeUpdate } from '../client/compression.ts';
import { trainedUpdate, visibleBody } from '../client/trainedUpdate.ts';
import type { RoundMachine } from '../round/protocol.ts';
import type { RoundConfig } from '../round/roundConfig.ts';
import type { Federation } from '../server/federation.ts';
import type { SimulationOptions } from '../simulate.ts';
import { checkedDuration, headOf, nameOf, shuffled } from './clients.ts';

/** A client that trains. */
interface Running {
  readonly client: number;
  /** Time at which its update arrives, in simulated milliseconds. */
  readonly due: number;
  /** The version that it joined. */
  readonly config: RoundConfig;
  readonly weights: Float32Array;
}

/** @returns a function that plays the given version to its end */
export function simulatedVersions(
  federation: Federation,
  { clients, train, examples = () => 1, duration = () => 1, signal }: SimulationOptions,
  random: Random,
): (round: RoundMachine) => Promise<void> {
  let now = 0;
  /** By time of arrival. */
  let running: Running[] = [];

  /** Lets clients join until the server takes no more, or nobody is left. */
  const fill = async ({ config }: RoundMachine): Promise<void> => {
    for (const client of shuffled(clients, random.integer)) {
      const { instruction } = federation.status(nameOf(client));
      // as many train as may; a client that vanished keeps its place until its time is over
      if (instruction.phase === 'wait' && instruction.for === 'open') return;
      if (instruction.phase !== 'open') continue;
      const declared = Math.min(examples(client), config.maximumExamples);
      const due = now + checkedDuration(duration(client, config));
      await federation.receiveMessage({ kind: 'join', ...headOf(client, config), examples: declared }, now);
      insert(running, { client, due, config, weights: federation.weights });
    }
  };

  return async (round) => {
    // clients whose version is too old give up
    running = running.filter(isTraining(round));
    await fill(round);
    while (federation.round === round) {
      signal?.throwIfAborted();
      const next = running[0];
      if (!next || next.due >= round.deadline) {
        await federation.tick((now = round.deadline));
        // the end of the version, or of the time of its oldest member
        if (federation.round !== round) return;
        running = running.filter(isTraining(round));
        await fill(round);
        continue;
      }
      running.shift();
      now = next.due;
      const found = await train(next.client, next.weights, next.config);
      if (!found) continue;
      const { update, loss } = trainedUpdate(found);
      const body = visibleBody(encodeUpdate(update, {}, random), loss, next.config);
      await federation.receiveMessage({ kind: 'update', ...headOf(next.client, next.config), body }, now);
      if (federation.round === round) await fill(round);
    }
  };
}

function isTraining(round: RoundMachine): (client: Running) => boolean {
  return ({ client, config }) => {
    const name = nameOf(client);
    return round.instructionFor(name).phase === 'update' && round.configFor(name).id === config.id;
  };
}

/** Inserts after those with the same time. */
function insert(running: Running[], added: Running): void {
  let low = 0;
  for (let high = running.length; low < high; ) {
    const middle = (low + high) >> 1;
    if (running[middle].due <= added.due) low = middle + 1;
    else high = middle;
  }
  running.splice(low, 0, added);
}
