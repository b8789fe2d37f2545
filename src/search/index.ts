/** The entry `espalier/search`: what kernels and models cost on a device, and which version of a model is best there. */

export { type EvolveOptions, evolve } from '../compress/evolve.ts';
export { paretoPage } from './blocks/paretoPage.ts';
export {
  type SearchedModel,
  type SearchLimit,
  type SearchOptions,
  type SearchResult,
  searchBlocks,
} from './blocks/searchBlocks.ts';
export { writeVariant } from './blocks/writeVariant.ts';
export { type CostTable, formatsOf, readCostTable } from './costTable.ts';
export { decodeMeter } from './decodeMeter.ts';
export { type DescribedCost, describedCost } from './describedCost.ts';
export { type DeviceFile, type Figure, type Range, readDeviceFile } from './deviceFile.ts';
export { type FollowedSteps, type FollowOptions, followSteps } from './followSteps.ts';
export {
  type GoldenBlocks,
  type GoldenNumbers,
  type GoldenVector,
  type GoldenVectors,
  goldenVectors,
} from './goldenVectors.ts';
export { LearningMeter } from './learnCosts.ts';
export { type MeasureCostsOptions, measureCosts } from './measureCosts.ts';
export { COMMON_FORMATS, type MeterOptions, meterDevice, storeCosts } from './meterDevice.ts';
export { describedModelCost, formatsOfModel, graphOfModel, type ModelCost, modelCost } from './modelCost.ts';
export { type ModelShape, shapedGraph } from './probeModel.ts';
export {
  measuredThreads,
  type ProductShape,
  type StepCost,
  type StepSize,
  type StepWork,
  stepCost,
  type WholeWork,
  wholeWork,
} from './stepCost.ts';
export { type Dataflow, type ProductSize, type SystolicArray, systolicCycles } from './systolic.ts';
