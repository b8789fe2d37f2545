/** Plays synchronous rounds: a cohort joins at once, and the round lasts as long as its slowest member, or until its deadline. */
import type { Random } from '../../core/random.ts';
import { encodeUpdate } from '../client/compression.ts';
import { type TrainedUpdate, trainedUpdate, visibleBody } from '../client/trainedUpdate.ts';
import type { RoundMachine } from '../round/protocol.ts';
import { isEvaluation } from '../round/roundConfig.ts';
import type { Federation } from '../server/federation.ts';
import type { SimulationOptions } from '../simulate.ts';
import { checkedDuration, headOf, shuffled } from './clients.ts';

/** @returns a function that plays the given round to its end */
export function simulatedRounds(
  federation: Federation,
  { clients, train, evaluate, examples = () => 1, duration = () => 0, signal }: SimulationOptions,
  random: Random,
): (round: RoundMachine) => Promise<void> {
  let now = 0;
  return async (round) => {
    const { config } = round;
    const members: { readonly client: number; readonly milliseconds: number }[] = [];
    for (const client of shuffled(clients, random.integer)) {
      if (round.phase !== 'open') break;
      const { status } = await federation.receiveMessage(
        { kind: 'join', ...headOf(client, config), examples: Math.min(examples(client), config.maximumExamples) },
        now,
      );
      if (status === 'accepted') members.push({ client, milliseconds: checkedDuration(duration(client, config)) });
    }
    if (round.phase === 'open') await federation.tick((now = round.deadline));
    const start = now;
    members.sort((a, b) => a.milliseconds - b.milliseconds);
    for (const { client, milliseconds } of round.phase === 'update' ? members : []) {
      signal?.throwIfAborted();
      if (start + milliseconds >= round.deadline) break;
      now = start + milliseconds;
      let found: Float32Array | TrainedUpdate | undefined;
      if (isEvaluation(config)) {
        const loss = await evaluate!(client, federation.weights, config);
        found = loss === undefined ? undefined : Float32Array.of(loss);
      } else found = await train(client, federation.weights, config);
      if (!found) continue;
      const { update, loss } = trainedUpdate(found);
      const body = visibleBody(encodeUpdate(update, {}, random), loss, config);
      await federation.receiveMessage({ kind: 'update', ...headOf(client, config), body }, now);
    }
    if (federation.round === round) await federation.tick((now = round.deadline));
  };
}
