/** The entry `espalier/search`: what kernels and models cost on a device. */
export { type CostTable, formatsOf, readCostTable } from './costTable.ts';
export { type MeasureCostsOptions, measureCosts } from './measureCosts.ts';
export { COMMON_FORMATS, type MeterOptions, meterDevice } from './meterDevice.ts';
export { formatsOfModel, type ModelCost, modelCost } from './modelCost.ts';
export { type ModelShape, shapedGraph } from './probeModel.ts';
export { measuredThreads, type StepCost, type StepSize, stepCost } from './stepCost.ts';
