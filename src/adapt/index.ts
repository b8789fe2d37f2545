/** The entry `espalier/adapt`: what a device has to give at this moment, and how a model keeps within it. */
export { deviceSensors } from '#leaf/adapt/sensors/deviceSensors';
export {
  Cascade,
  type CascadeAnswer,
  type CascadeGenerateOptions,
  type Judge,
  likelihoodJudge,
  sampleCascade,
} from './cascade/cascade.ts';
export {
  alwaysDefers,
  type CascadeOptions,
  type CascadeRule,
  type CascadeSample,
  defers,
  fitCascade,
  scoreOf,
} from './cascade/cascadeRule.ts';
export { calibrationError, fitIsotonic, type IsotonicStep, isotonicAt } from './cascade/isotonic.ts';
export { type DescribeOptions, type DeviceDescription, describeDevice } from './describeDevice.ts';
export {
  type EnergyEstimate,
  type EnergyMethod,
  gaugePower,
  type Interval,
  type ModelledWork,
  measuredEnergy,
  modelledEnergy,
  perToken,
} from './energy.ts';
export { calibrateExit, type PromiseOptions, withPromise } from './exits/calibrateExit.ts';
export { type ExitSample, exitedAt, lossAt, type SampleOptions, sampleExit } from './exits/exitSamples.ts';
export { calibrate, promptsNeeded, riskPValue } from './exits/riskControl.ts';
export { type AdaptEvent, GovernedPacer } from './governedPacer.ts';
export { decide, type GovernorSignals, type GovernorState, type ObservedSteps, startState } from './governor.ts';
export type { HeatState } from './heat.ts';
export { type AdaptLimits, checkLimits } from './limits.ts';
export type { AdaptOptions } from './load.ts';
export type { Decision, LimitName, Plan } from './plan.ts';
export { plansOf } from './plansOf.ts';
export type { ObservedPower, PowerState } from './power.ts';
export type { Battery, Energy, Pressure, Sensors, Signal, Signals, Temperature } from './sensors/signals.ts';
export type { ThermalZone } from './sensors/thermal.ts';
export type { SharedSlowdown, Slowdown } from './slowdown.ts';
