/**
 * Measures federated learning: sums under dropout, simulations, training on roles, poisoning, adapters, privacy.
 *
 *   npx tsx bench/federate.ts                          all parts
 *   npx tsx bench/federate.ts --only dropout,simulation
 */
import { existsSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { adaptRoles } from './federated/adapters.ts';
import { Base, type BaseFormat } from './federated/base.ts';
import { besideDisco } from './federated/disco.ts';
import { type DropoutRow, sumUnderDropout } from './federated/dropout.ts';
import { trainThroughFlower } from './federated/flower.ts';
import { trainPrivately } from './federated/privacy.ts';
import { FEDADAM, RATE, Roles } from './federated/roles.ts';
import { simulateMany } from './federated/simulation.ts';

const parts = ['dropout', 'simulation', 'roles', 'poisoning', 'adapters', 'privacy', 'flower', 'disco'] as const;
const { values } = parseArgs({
  options: {
    only: { type: 'string', default: parts.join() },
    clients: { type: 'string', default: '100' },
    parameters: { type: 'string', default: '1000000' },
    text: { type: 'string', default: '../shared/data/text/tinyshakespeare.txt' },
    roles: { type: 'string', default: '10' },
    rounds: { type: 'string' },
    steps: { type: 'string' },
    layers: { type: 'string', default: '4' },
    width: { type: 'string', default: '128' },
    'base-steps': { type: 'string', default: '600' },
    formats: { type: 'string', default: 'F32,Q8_0,Q4_0' },
    python: { type: 'string' },
    flower: { type: 'string' },
    disco: { type: 'string' },
    help: { type: 'boolean', short: 'h' },
  },
});
if (values.help) {
  console.log(`Measures federated learning.

  --only PARTS     of ${parts.join(', ')}
  --clients N      clients of the secure sums (default: 100)
  --parameters N   parameters of the secure sums (default: 1000000)
  --text FILE      plays with "ROLE:" lines (default: ../shared/data/text/tinyshakespeare.txt)
  --roles N        roles with the most lines, one client each (default: 10)
  --rounds N       rounds of federated averaging (default: 80; of poisoning 20)
  --steps N        steps of a client per round (default: 5; of poisoning 10)
  --layers N, --width N   size of the character model (default: 4, 128)
  --base-steps N   steps that train the base of adapters (default: 600)
  --formats LIST   formats of the base of adapters (default: F32,Q8_0,Q4_0)
  --python FILE    a Python with dp-accounting, which computes ε, too
  --flower FOLDER  commands of flwr 1.42, in a Python with PyTorch
  --disco FOLDER   sources of DISCO, see bench/peers/disco.mjs

stdout gets a line per result and, on the last line, one JSON object.`);
  process.exit();
}

const wanted = new Set(values.only.split(','));
const result: Record<string, unknown> = {};

if (wanted.has('dropout')) {
  const [clients, parameters] = [Number(values.clients), Number(values.parameters)];
  const rows: DropoutRow[] = [];
  const stages = ['keys', 'update', 'confirm', 'unmask'] as const;
  // a threshold below half survives the loss of half
  const low = Math.floor(0.3 * Math.min(50, clients - 1));
  const cases: [number, (typeof stages)[number], number?][] = [
    [0, 'update'],
    ...stages.flatMap((stage) => [0.1, 0.3, 0.5].map((dropout) => [dropout, stage] as [number, typeof stage])),
    [0.5, 'update', low],
    [0.5, 'unmask', low],
  ];
  for (const [dropout, before, threshold] of cases) {
    const row = await sumUnderDropout(clients, parameters, dropout, before, threshold);
    rows.push(row);
    console.log(
      `${100 * dropout}% lost before ${before}, threshold ${row.threshold}: ${row.result}; server ${row.serverSeconds.toFixed(2)} s (processor ${row.processorSeconds.toFixed(2)} s), bytes × ${row.bytesRatio.toFixed(3)}`,
    );
  }
  result.dropout = rows;
}

if (wanted.has('simulation')) {
  const figures = await simulateMany(10_000, 100, 100_000, 30);
  console.log(
    `10,000 clients, 100 a round, 100,000 parameters: ${figures.roundsPerMinute.toFixed(0)} rounds a minute, memory ${figures.memoryEarly.toFixed(0)} → ${figures.memoryLate.toFixed(0)} MB`,
  );
  result.simulation = figures;
}

if (wanted.has('roles') || wanted.has('poisoning')) {
  if (!existsSync(values.text)) console.log(`skipped: there is no ${values.text}`);
  else {
    const lengthOf = (rounds: number, steps: number) => ({
      rounds: Number(values.rounds ?? rounds),
      steps: Number(values.steps ?? steps),
    });
    const sizes = { layers: Number(values.layers), width: Number(values.width), roles: Number(values.roles) };
    const roles = await Roles.open({ text: values.text, ...sizes });
    const last = (losses: readonly { loss: number }[]) => losses.at(-1)!.loss;
    if (wanted.has('roles')) {
      const { rounds, steps } = lengthOf(80, 5);
      const central = await roles.central(rounds * steps);
      console.log(`central, ${rounds * steps} steps: loss ${central.toFixed(4)}`);
      const average = await roles.federated({ rounds, steps, every: 5 });
      console.log(`FedAvg, ${rounds} rounds of ${steps} steps: loss ${last(average).toFixed(4)}`);
      const adam = await roles.federated({ rounds, steps, optimizer: FEDADAM, every: 5 });
      console.log(`FedAdam, ${rounds} rounds of ${steps} steps: loss ${last(adam).toFixed(4)}`);
      const once = await roles.federated({ rounds: 3 * rounds, steps: 1, every: 5 });
      const target = last(once);
      const needed = average.find(({ loss }) => loss <= target)?.round;
      console.log(
        `one step per round: loss ${target.toFixed(4)} after ${3 * rounds} rounds; FedAvg needs ${needed ?? 'more than all'} rounds`,
      );
      result.roles = {
        ...sizes,
        rounds,
        steps,
        central,
        fedAvg: last(average),
        fedAdam: last(adam),
        oneStep: { rounds: 3 * rounds, loss: target, fedAvgRounds: needed },
      };
    }
    if (wanted.has('poisoning')) {
      const attackers = Math.round(0.2 * roles.data.length);
      const common = { ...lengthOf(20, 10), learningRate: RATE, keepsOptimizer: false };
      const losses: Record<string, number> = { clean: last(await roles.federated(common)) };
      for (const rule of ['mean', 'median', 'trimmedMean', 'krum'] as const)
        losses[rule] = last(await roles.federated({ ...common, rule, attackers }));
      const shown = Object.entries(losses).map(([rule, loss]) => `${rule} ${loss.toFixed(4)}`);
      console.log(`${attackers} of ${roles.data.length} clients send −3 × their update: loss ${shown.join(', ')}`);
      result.poisoning = { attackers, ...losses };
    }
    await roles.close();
  }
}

if (wanted.has('adapters') || wanted.has('privacy')) {
  if (!existsSync(values.text)) console.log(`skipped: there is no ${values.text}`);
  else {
    const [layers, width, steps] = [Number(values.layers), Number(values.width), Number(values['base-steps'])];
    const base = await Base.make({ text: values.text, roles: 20, steps, layers, width });
    if (wanted.has('adapters')) {
      const figures = [];
      for (const format of values.formats.split(',') as BaseFormat[]) {
        const row = await adaptRoles(base, format, { rounds: 8, steps: 8, personalSteps: 128 });
        figures.push(row);
        console.log(
          `${format}, 20 roles: base ${row.base.toFixed(4)}, local ${row.local.toFixed(4)}, shared ${row.shared.toFixed(4)}, personal ${row.personal.toFixed(4)}; personal is best for ${row.best} of ${row.roles}`,
        );
        for (const { role, characters, shared, local, personal } of row.byRole)
          if (personal >= Math.min(shared, local))
            console.log(
              `  not for ${role} (${characters} characters): local ${local.toFixed(4)}, shared ${shared.toFixed(4)}, personal ${personal.toFixed(4)}`,
            );
      }
      result.adapters = figures;
    }
    if (wanted.has('privacy')) {
      const options = { clients: 260, rounds: 15, groups: 5, python: values.python };
      const figures = await trainPrivately(base, options);
      const { epsilon, tightEpsilon, reference, noiseMultiplier, loss, membership } = figures;
      const checked = (value: number | undefined) => `(dp-accounting ${value?.toFixed(4) ?? 'not run'})`;
      console.log(
        `ε ${epsilon.toFixed(4)} ${checked(reference?.epsilon)}, by loss distributions ${tightEpsilon.toFixed(4)} ${checked(reference?.tightEpsilon)}, noise ${noiseMultiplier.toFixed(3)}: loss ${loss.base.toFixed(4)} → ${loss.private.toFixed(4)} (${loss.plain.toFixed(4)} without noise); membership test ${membership.private.toFixed(3)} (${membership.plain.toFixed(3)} without noise)`,
      );
      result.privacy = figures;
    }
    base.close();
  }
}

if (wanted.has('flower')) {
  if (!existsSync(values.text) || values.flower === undefined) console.log('skipped: flower needs --text and --flower');
  else {
    const sizes = { text: values.text, layers: Number(values.layers), width: Number(values.width) };
    const figures = await trainThroughFlower(values.flower, sizes);
    const path = figures.perplexities.map((perplexity) => perplexity.toFixed(1)).join(' → ');
    console.log(
      `Flower, a TypeScript and a PyTorch client, ${figures.parameters} parameters: perplexity ${path}; final loss ${figures.ours.toFixed(4)} by us, ${figures.python.toFixed(4)} by PyTorch; ${figures.seconds.toFixed(0)} s`,
    );
    result.flower = figures;
  }
}

if (wanted.has('disco')) {
  if (!existsSync(values.text) || values.disco === undefined) console.log('skipped: disco needs --text and --disco');
  else {
    const sizes = { text: values.text, layers: Number(values.layers), width: Number(values.width) };
    const figures = await besideDisco(values.disco, { ...sizes, members: 5 });
    const rows = [
      ['Espalier', figures.espalier],
      [`DISCO (TensorFlow.js, ${figures.disco.backend})`, figures.disco],
    ] as const;
    for (const [name, { parameters, millisecondsPerToken, bytesRatio, survivesDropout }] of rows)
      console.log(
        `${name}, ${parameters} parameters: ${millisecondsPerToken.toFixed(4)} ms per token; ${figures.members} members send ${bytesRatio.toFixed(3)} × an update each; ${survivesDropout ? 'survives' : 'does not survive'} a member that leaves`,
      );
    result.disco = figures;
  }
}

console.log(JSON.stringify(result));
