/** Treats the tensors of a plan, stage by stage: quantizes or prunes them. */
import { concatenated } from '../core/concatenated.ts';
import type { Checkpoint, CheckpointTensor } from '../formats/checkpoint.ts';
import { buildModel } from '../models/buildModel.ts';
import { dequantized } from '../models/dequantized.ts';
import { weightStore } from '../models/weightStore.ts';
import type { BlockFormat } from '../tensor/blockFormat.ts';
import type { Calibration } from './calibration.ts';
import { encode } from './encodeRows.ts';
import type { ExpertInputs } from './expertInputs.ts';
import { finiteBytes, finiteValues, isFiniteArray, refuseNotFinite } from './finiteValues.ts';
import { columnImportance, type ImportanceMatrix } from './imatrix.ts';
import type { Planned } from './plan.ts';
import type { QuantizeOptions } from './quantize.ts';
import type { SolvedStore } from './solvedStore.ts';
import type { Knowledge, Method, Solved } from './solver.ts';
import type { Stage } from './stages.ts';
import { type Activations, forget, StageRun, type Statistic } from './statistic.ts';

export interface NamedSolution extends Solved {
  readonly name: string;
}

/** The operation on matrices. */
export interface Treatment {
  /** True: statistics of a stage are those behind the treated stages before it, which takes another forward pass. */
  readonly isSequential?: boolean;
  /** True for tensors that change. Others are copied, or encoded in another format. */
  isTreated(planned: Planned): boolean;
  /** @param values [rows, columns], finite; may be changed */
  treat(values: Float32Array, columns: number, planned: Planned, knowledge: Knowledge): Solved | Promise<Solved>;
  /**
   * Treats a tensor without a statistic piece by piece, for speed and memory. @param importance of each column
   * @returns undefined if `treat` has to do it, which names elements that are not finite
   */
  treatStored?(planned: Planned, importance: Float32Array | undefined): Promise<Solved | undefined>;
}

export interface Work {
  /** Stage of the progress. */
  readonly stage: 'quantize' | 'prune';
  readonly treatment: Treatment;
  readonly checkpoint: Checkpoint;
  readonly calibration?: Calibration;
  readonly importance?: ImportanceMatrix;
  /** Bytes of all tensors, for progress. */
  readonly bytes: number;
  /** Keeps what is solved, for a run that is interrupted. */
  readonly store?: SolvedStore;
  readonly options: Pick<QuantizeOptions, 'threads' | 'backend' | 'signal' | 'onProgress'>;
}

/**
 * Treats the tensors in the plan's order, stage by stage. Unless the treatment is sequential, all stages are calibrated on the
 * activations of the original model: quantizing gains nothing measurable from those behind treated stages (LOG.md).
 */
export async function* solvedTensors(plan: readonly Planned[], work: Work): AsyncGenerator<NamedSolution, void> {
  const { checkpoint, calibration, options, bytes, treatment, store } = work;
  const { signal, onProgress } = options;
  let activations: Activations = new Map();
  let done = 0;
  const stages = calibration ? [...calibration.stages.keys()] : [0];
  for (const stage of stages) {
    const own = plan.filter((planned) => planned.stage === stage);
    const wanted = new Map(
      own.filter((planned) => treatment.isTreated(planned)).map((planned) => [planned.tensor.name, planned]),
    );
    const solved = new Map<string, Solved>();
    if (store && stage <= store.finished) {
      for (const name of wanted.keys()) if (store.has(name)) solved.set(name, await store.get(name));
      if (stage === store.finished) activations = await store.activations();
    } else if (calibration) {
      const [now, ...later] = calibration.stages.slice(stage);
      const { windows, weights } = calibration;
      const { threads, backend } = options;
      const run = await StageRun.compile(now, 'gram', (name) => wanted.has(name), {
        weights,
        windows,
        threads,
        backend,
        signal,
        quantiles: work.stage === 'quantize',
      });
      let statistics: Statistic[];
      try {
        statistics = await run.measure(activations);
      } finally {
        run.dispose();
      }
      if (!treatment.isSequential) forget(activations, later);
      for (let statistic = statistics.shift(); statistic; statistic = statistics.shift()) {
        await checkStatistic(checkpoint, now, statistic);
        for (const name of statistic.tensors) {
          signal?.throwIfAborted();
          onProgress?.({ stage: work.stage, done, total: bytes, unit: 'bytes', item: name });
          const planned = wanted.get(name)!;
          const isKnown = store?.has(name) === true;
          const values = isKnown ? undefined : await finiteValues(checkpoint, planned.tensor);
          const solution = values
            ? withInput(
                await treatment.treat(values, planned.tensor.shape.at(-1)!, planned, { statistic }),
                statistic.input,
              )
            : await store!.get(name);
          solved.set(name, solution);
          if (!isKnown) await store?.put(name, solution);
        }
      }
      for (const inputs of run.experts) {
        for (const name of inputs.tensors) if (store?.has(name)) solved.set(name, await store.get(name));
        const missing = inputs.tensors.filter((name) => !solved.has(name)).map((name) => wanted.get(name)!);
        if (missing.length === 0) continue;
        const onExpert = (item: string) => {
          signal?.throwIfAborted();
          onProgress?.({ stage: work.stage, done, total: bytes, unit: 'bytes', item });
        };
        for (const [name, found] of await solvedExperts(inputs, missing, now, work, onExpert)) {
          const solution = withInput(found, inputs.quantiles());
          solved.set(name, solution);
          await store?.put(name, solution);
        }
      }
      if (treatment.isSequential) {
        if (later.length > 0) await rerun(now, own, solved, activations, work);
        forget(activations, later);
      }
      await store?.finish(stage, activations);
    }
    for (const planned of own) {
      signal?.throwIfAborted();
      const { name } = planned.tensor;
      const solution = solved.get(name) ?? (await withoutStatistic(planned, work));
      done += solution.bytes.length;
      onProgress?.({ stage: work.stage, done, total: bytes, unit: 'bytes', item: name });
      yield { name, ...solution };
    }
  }
}

const withInput = (solved: Solved, input: Solved['input']): Solved => ({ ...solved, ...(input && { input }) });

/** Runs a stage again with its treated tensors, which changes the activations that later stages read. */
async function rerun(
  stage: Stage,
  plan: readonly Planned[],
  solved: ReadonlyMap<string, Solved>,
  activations: Activations,
  { checkpoint, calibration, options: { threads, backend, signal } }: Work,
): Promise<void> {
  const tensors = new Map(checkpoint.tensors);
  for (const { tensor, format } of plan) {
    const found = solved.get(tensor.name);
    if (found) tensors.set(tensor.name, inMemory(tensor, format, found.bytes));
  }
  const weights = weightStore(buildModel(dequantized({ ...checkpoint, tensors })));
  const { windows } = calibration!;
  const run = await StageRun.compile(stage, 'gram', () => false, { weights, windows, threads, backend, signal });
  try {
    await run.measure(activations);
  } finally {
    run.dispose();
  }
}

function inMemory({ name, shape }: CheckpointTensor, format: BlockFormat, bytes: Uint8Array): CheckpointTensor {
  return {
    ...{ name, format, shape, byteLength: bytes.length },
    async read(offset, into) {
      into.set(bytes.subarray(offset, offset + into.length));
    },
  };
}

/** Treats the stacked matrices of experts, each expert with its own statistic. */
async function solvedExperts(
  inputs: ExpertInputs,
  planned: readonly Planned[],
  stage: Stage,
  { checkpoint, treatment, options }: Work,
  onExpert: (tensor: string) => void,
): Promise<Map<string, Solved>> {
  const values = await Promise.all(planned.map(({ tensor }) => finiteValues(checkpoint, tensor)));
  const solved = planned.map((): Solved[] => []);
  let few = 0;
  let expert = 0;
  for await (const { statistic, tokens } of inputs.statistics(options.threads)) {
    await checkStatistic(checkpoint, stage, statistic);
    if (tokens < inputs.size) few++;
    for (const [i, each] of planned.entries()) {
      onExpert(each.tensor.name);
      const size = values[i].length / inputs.count;
      const own = values[i].slice(expert * size, (expert + 1) * size);
      solved[i].push(await treatment.treat(own, inputs.size, each, { statistic }));
    }
    expert++;
  }
  const note = `${few} of ${inputs.count} experts saw fewer calibration tokens than they have channels (${inputs.size}), so the statistic of all tokens counts more`;
  return new Map(planned.map(({ tensor }, i) => [tensor.name, joined(solved[i], few > 0 ? [note] : [])]));
}

/** The solutions of all experts as that of one tensor: its method is the most frequent one, its errors are their means. */
function joined(parts: readonly Solved[], notes: readonly string[]): Solved {
  const methods = parts.map(({ method }) => method);
  const count = (method: Method) => methods.filter((other) => other === method).length;
  const errors: Partial<Record<Method, number>> = {};
  for (const part of parts)
    for (const [method, error] of Object.entries(part.errors) as [Method, number][])
      errors[method] = (errors[method] ?? 0) + error / parts.length;
  const lows = parts.flatMap(({ low }) => (low ? [low] : []));
  return {
    bytes: concatenated(parts.map(({ bytes }) => bytes)),
    method: methods.reduce((best, method) => (count(method) > count(best) ? method : best)),
    errors,
    notes: [...new Set([...notes, ...parts.flatMap((part) => part.notes)])],
    ...(lows.length > 0 && { low: concatenated(lows) }),
  };
}

async function withoutStatistic(planned: Planned, work: Work): Promise<Solved> {
  const { checkpoint, importance, treatment } = work;
  const { tensor, format } = planned;
  const isTreated = treatment.isTreated(planned);
  if (format === tensor.format && !isTreated) {
    return { bytes: await finiteBytes(checkpoint, tensor), method: 'copied', errors: {}, notes: [] };
  }
  if (!isTreated || !importance) return byImportance(planned, undefined, work);
  const entry = importance.entries.get(tensor.name);
  if (!entry) {
    const solved = await byImportance(planned, undefined, work);
    return { ...solved, notes: [...solved.notes, 'the importance matrix has no entry for it'] };
  }
  const { rows, unseen } = columnImportance(checkpoint.name, tensor, entry);
  if (rows.length === 1) return byImportance(planned, rows[0], work);
  const parts: Solved[] = [];
  for (const [i, row] of rows.entries())
    parts.push(await byImportance({ ...planned, tensor: matrixOf(tensor, i, rows.length) }, row, work));
  const note = `${unseen} of ${rows.length} experts saw no token, so the importance of all tokens is used for them`;
  return joined(parts, unseen > 0 ? [note] : []);
}

/** @param importance of each column */
async function byImportance(
  planned: Planned,
  importance: Float32Array | undefined,
  { checkpoint, treatment }: Work,
): Promise<Solved> {
  const { tensor, format } = planned;
  const solved = await treatment.treatStored?.(planned, importance);
  if (solved) return solved;
  const values = await finiteValues(checkpoint, tensor);
  const columns = tensor.shape.at(-1)!;
  if (!treatment.isTreated(planned))
    return { bytes: encode(values, columns, format, undefined), method: 'plain', errors: {}, notes: [] };
  return treatment.treat(values, columns, planned, { importance });
}

/** One of the stacked matrices of a tensor. */
function matrixOf(tensor: CheckpointTensor, index: number, count: number): CheckpointTensor {
  const byteLength = tensor.byteLength / count;
  return {
    ...{ name: tensor.name, format: tensor.format, shape: tensor.shape.slice(-2), byteLength },
    read: (offset, into, signal) => tensor.read(index * byteLength + offset, into, signal),
  };
}

/** @throws {FormatError} if a weight of the stage is not finite @throws {EspalierError} BAD_CALIBRATION if the model overflows on the text */
async function checkStatistic(checkpoint: Checkpoint, stage: Stage, statistic: Statistic): Promise<void> {
  const { gram, heldOut, tensors } = statistic;
  if (isFiniteArray(gram) && isFiniteArray(heldOut)) return;
  await refuseNotFinite(checkpoint, stage, `the inputs of ${tensors[0]}`);
}
