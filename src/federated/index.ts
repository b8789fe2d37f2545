/** `espalier/federated`: devices train together; the server sees sums of updates, not the data of anyone. */
import { clientFolder } from '#leaf/federated/client/clientFolder';
import { fileJournal } from '#leaf/federated/server/fileJournal';

export type { FederatedErrorCode, RefusalCode } from '../core/errorCodes.ts';
export type { Random } from '../core/random.ts';
export type { Moments } from '../train/learner.ts';
export { type AggregationRule, aggregationRules } from './aggregation/index.ts';
export { mean } from './aggregation/mean.ts';
export { type OptimizerState, ServerOptimizer, type ServerOptimizerOptions } from './aggregation/serverOptimizer.ts';
export { discountStale, type StaleUpdate, stalenessDiscount } from './aggregation/staleness.ts';
export type { Aggregate, WeightedUpdate } from './aggregation/update.ts';
export type { ClientFolder } from './client/clientState.ts';
export { type CompressionOptions, decodeUpdate, encodeUpdate, UpdateCompressor } from './client/compression.ts';
export { type Connection, localConnection } from './client/connection.ts';
export type { ConsentOptions } from './client/consent.ts';
export { type HttpConnectionOptions, httpConnection } from './client/httpConnection.ts';
export { type Identity, identity } from './client/identity.ts';
export {
  type ClientOptimizer,
  type LocalResult,
  type LocalTrainingOptions,
  trainLocally,
} from './client/localTraining.ts';
export type { ModelTrainer, ModelTrainerOptions, OptimizerStore, Training } from './client/modelTrainer.ts';
export { modelTrainer, openTrainingModel } from './client/modelTrainer.ts';
export {
  type ClientStore,
  type MessageSent,
  Participant,
  type ParticipantEvent,
  type ParticipantOptions,
  type RoundFailed,
  type StepResult,
  type Trainer,
} from './client/participant.ts';
export { type PersonalOptions, type PersonalResult, personalize } from './client/personalize.ts';
export { busyReason, type ReadyWhen, readyWhen } from './client/readiness.ts';
export { offerSensors, sensorsFrom } from './client/sharedSensors.ts';
export {
  type ClientReady,
  type DeviceBusy,
  type LeaveFailed,
  type PersonalAdapter,
  type ServerAway,
  type TakePartEvent,
  type TakePartOptions,
  type TakePartResult,
  takePart,
} from './client/takePart.ts';
export { textsOf } from './client/texts.ts';
export type { TrainedUpdate } from './client/trainedUpdate.ts';
export { whatLeaves } from './client/whatLeaves.ts';
export { FederatedError } from './federatedError.ts';
export type { FleetApiOptions } from './flower/fleetApi.ts';
export { type FlowerKey, flowerKey, openSshKey } from './flower/fleetApi.ts';
export { fleetPassThrough } from './flower/fleetPassThrough.ts';
export { type FlowerEvent, type FlowerMessage, FlowerNode, type FlowerNodeOptions } from './flower/flowerNode.ts';
export type { NpyArray, NpyData } from './flower/npy.ts';
export type { FlowerRecord, RecordDict, RecordValue, Values } from './flower/records.ts';
export { Accountant, allOrders, integerOrders, type Mechanism, noiseMultiplierFor } from './privacy/accountant.ts';
export { PrivacyBudget, type PrivacyTarget } from './privacy/budget.ts';
export { discreteGaussian } from './privacy/discreteGaussian.ts';
export { LossDistributionAccountant } from './privacy/lossDistribution.ts';
export type { Quantized } from './privacy/quantize.ts';
export { type Quantization, quantize, quantizedNorm } from './privacy/quantize.ts';
export type { Uniform } from './privacy/secureRandom.ts';
export { secureRandom } from './privacy/secureRandom.ts';
export { BufferedRound, type Carried, type EarlierVersion, type TrainingMember } from './round/bufferedRound.ts';
export type { MessageKind, Unsigned } from './round/messages.ts';
export {
  decodeMessage,
  encodeMessage,
  hasValidSignature,
  type MessageOf,
  type RoundMessage,
  signMessage,
  type UnsignedMessage,
} from './round/messages.ts';
export type {
  AnsweredPhase,
  Contribution,
  Dropouts,
  Instruction,
  Phase,
  Receipt,
  RoundEvent,
  RoundMachine,
  VisibleUpdate,
} from './round/protocol.ts';
export { Round } from './round/round.ts';
export {
  checkRoundConfig,
  configHash,
  defaultNeighbours,
  isEvaluation,
  type RoundConfig,
} from './round/roundConfig.ts';
export type { Member, Roster } from './secure/roster.ts';
export type { InstructionOf } from './secure/secureMember.ts';
export { type MemberState, SecureMember } from './secure/secureMember.ts';
export type { SecureSum } from './secure/unmask.ts';
export { unmask } from './secure/unmask.ts';
export type { AdmissionOptions } from './server/admission.ts';
export { Federation, type FederationOptions, type Status } from './server/federation.ts';
export type { HttpHandlerOptions } from './server/httpHandler.ts';
export { httpHandler } from './server/httpHandler.ts';
export { type Journal, memoryJournal } from './server/journal.ts';
export { federationReport } from './server/report.ts';
export type { ReportLine, Staleness } from './server/reportLine.ts';
export { checkSettings, describeSettings, type FederationInput, type FederationSettings } from './server/settings.ts';
export { type SimulationOptions, type SimulationResult, simulate } from './simulate.ts';
export { clientFolder, fileJournal };
