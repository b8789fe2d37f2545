/** `espalier/federated`: devices train together; the server sees sums of updates, not the data of anyone. */
export { type AggregationRule, aggregationRules } from './aggregation/index.ts';
export { mean } from './aggregation/mean.ts';
export { type OptimizerState, ServerOptimizer, type ServerOptimizerOptions } from './aggregation/serverOptimizer.ts';
export type { Aggregate, WeightedUpdate } from './aggregation/update.ts';
export { type BufferedUpdate, UpdateBuffer, type UpdateBufferOptions } from './aggregation/updateBuffer.ts';
export { type Identity, identity } from './client/identity.ts';
export { FederatedError } from './federatedError.ts';
export { Accountant, allOrders, integerOrders, type Mechanism, noiseMultiplierFor } from './privacy/accountant.ts';
export { PrivacyBudget, type PrivacyTarget } from './privacy/budget.ts';
export { discreteGaussian } from './privacy/discreteGaussian.ts';
export { type Quantization, quantize, quantizedNorm } from './privacy/quantize.ts';
export { secureRandom } from './privacy/secureRandom.ts';
export {
  decodeMessage,
  encodeMessage,
  hasValidSignature,
  type MessageOf,
  type RoundMessage,
  signMessage,
  type UnsignedMessage,
} from './round/messages.ts';
export { type Instruction, type Phase, type Receipt, Round, type RoundEvent } from './round/round.ts';
export { checkRoundConfig, configHash, defaultNeighbours, type RoundConfig } from './round/roundConfig.ts';
export { type MemberState, SecureMember } from './secure/secureMember.ts';
export { unmask } from './secure/unmask.ts';
