/**
 * The server or a client of a federation in a process of its own.
 *
 *   node process.mjs server '{"folder", "port", "settings"}'             until it is killed; finished.json has the result
 *   node process.mjs client '{"folder", "url", "client", "copies"?, "repeating"?, "stops"?, "allowVisible"?}'   until the federation ends
 *
 * A client stops at the points in `stops` (round, phase, before or after its message): it writes the file stopped-ROUND-CLIENT, and goes on
 * when ROUND-released exists. A client that was killed and started again does not stop a second time.
 */
import { existsSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { serveFederation } from '../../dist/cli/federationServer.js';
import {
  checkSettings,
  clientFolder,
  Federation,
  fileJournal,
  httpConnection,
  Participant,
} from '../../dist/federated/index.js';

const [, , kind, text] = process.argv;
const given = JSON.parse(text);
if (kind === 'server') await serve(given);
else await join_(given);

async function serve({ folder, port, settings, parameters }) {
  const options = { journal: await fileJournal(join(folder, 'journal')), weights: new Float32Array(parameters) };
  const federation = await Federation.open(checkSettings(settings), options, Date.now());
  await serveFederation(federation, { host: '127.0.0.1', port }, (error) => {
    throw error;
  });
  while (!federation.finished) await pause(20);
  const { report, weights } = federation;
  writeFileSync(join(folder, 'finished.new'), JSON.stringify({ report, weights: [...weights] }));
  renameSync(join(folder, 'finished.new'), join(folder, 'finished.json'));
}

async function join_({
  folder,
  url,
  client,
  point,
  examples,
  scale,
  copies = 0,
  repeating = [],
  stops = [],
  allowVisible,
}) {
  const { identity, store } = await clientFolder(join(folder, `client-${client}`));
  const connection = httpConnection(url);
  const sent = [];
  let phase = '';
  let round = '';
  const stopAt = async (moment) => {
    if (!stops.some((stop) => stop.round === round && stop.phase === phase && stop.moment === moment)) return;
    const marker = join(folder, `stopped-${round}-${client}`);
    if (existsSync(marker)) return;
    writeFileSync(marker, '');
    while (!existsSync(join(folder, `${round}-released`))) await pause(10);
  };
  const stopping = {
    ...connection,
    async status(name) {
      const status = await connection.status(name);
      phase = status.instruction.phase;
      round = status.config?.id ?? '';
      await stopAt('before');
      return status;
    },
    async send(message) {
      const receipt = await connection.send(message);
      sent.push(message.slice());
      // copies of this message, and of earlier ones that are late and in another order
      const more = Array.from({ length: repeating.includes(client) ? copies : 0 }, (_, i) =>
        i % 2 ? message : sent[(i * 7919) % sent.length],
      );
      const answers = await Promise.all(more.map((copy) => connection.send(copy)));
      if (answers.some(({ status }) => status === 'accepted')) throw new Error('a copy was accepted');
      await stopAt('after');
      return receipt;
    },
  };
  const trainer = {
    examples,
    parameters: point.length,
    // exact in integers of the round, so that the sum does not depend on the rounding
    train: async (weights) => weights.map((weight, i) => Math.round(((point[i] - weight) / 2) * scale) / scale),
  };
  await new Participant(stopping, { identity, store, trainer, allowVisible }).run({ interval: 30 });
}
