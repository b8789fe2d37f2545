/** Lets the cost table of this device learn from the steps of a model while it is used. */
import { OptionError } from '../core/errors.ts';
import type { Graph } from '../graph/graph.ts';
import type { Model } from '../runtime/model.ts';
import type { CostTable } from './costTable.ts';
import { LearningMeter } from './learnCosts.ts';
import { type MeterOptions, meterDevice, storeCosts } from './meterDevice.ts';
import { wholeWork } from './stepCost.ts';

export interface FollowOptions extends Pick<MeterOptions, 'folder' | 'formats' | 'kv' | 'variant'> {
  /** Table to begin with. Default: that of the device, which is measured where it is not known. */
  readonly table?: CostTable;
  /** Threads of the steps meanwhile. */
  readonly threads: number;
}

export interface FollowedSteps {
  /** The table as it is now. */
  readonly table: CostTable;
  /** Stops following, and stores the table for `meterDevice` if it has changed and was not given. */
  stop(): Promise<void>;
}

/** Steps of more tokens have too few observations to learn from. */
const MOST_TOKENS = 16;

/**
 * @param graph of the model, see `graphOfModel` @throws {OptionError} if the model adapts: its governor chooses the threads
 * @throws {UnsupportedError} if a block format of the model was not measured
 */
export async function followSteps(model: Model, graph: Graph, options: FollowOptions): Promise<FollowedSteps> {
  const { threads, table: given, ...device } = options;
  if (model.isPaced)
    throw new OptionError('adapt', 'set', 'a model that was loaded without it, as it chooses the threads');
  const meter = new LearningMeter(given ?? (await meterDevice({ ...device, threads: [threads] })));
  let hasChanged = false;
  model.setPacer({
    wait: () => 0,
    threads: () => threads,
    observe({ tokens, rows, seconds, depth }) {
      if (depth === undefined || tokens > MOST_TOKENS || rows < 1) return;
      if (meter.observe(wholeWork(graph, { tokens, rows, depth }), threads, seconds)) hasChanged = true;
    },
  });
  return {
    get table() {
      return meter.table;
    },
    async stop() {
      model.setPacer(undefined);
      if (hasChanged && !given) await storeCosts(meter.table, { ...device, threads: [threads] });
    },
  };
}
