/** The public entry of Espalier, for applications, the command line and the server. */
export {
  estimate,
  evaluateText,
  inspect,
  load,
  loadAdapter,
  loadTokenizer,
  measureKernels,
  measureSpeed,
  openCheckpoint,
} from '#leaf/page/entry';
export type { BackendName } from './backends/index.ts';
export type { Arithmetic } from './backends/wasm/index.ts';
export type {
  EngineErrorCode,
  ErrorCode,
  FederatedErrorCode,
  PackageErrorCode,
  RefusalCode,
  TrustErrorCode,
} from './core/errorCodes.ts';
export {
  ContextError,
  type ErrorData,
  EspalierError,
  FormatError,
  MemoryError,
  OptionError,
  SourceError,
  StartError,
  UnsupportedError,
} from './core/errors.ts';
export type { Notice, OnProgress, Progress } from './core/progress.ts';
export type { ByteSource } from './formats/byteSource.ts';
export type { Checkpoint, CheckpointTensor, MetadataValue } from './formats/checkpoint.ts';
export type { AddOptions, CachedFile, CacheLocation, CacheUsage } from './formats/download/cache.ts';
export * as cache from './formats/download/cache.ts';
export type { CacheOptions } from './formats/download/hub.ts';
export type { DenseLayer, EmbeddingSettings, Pooling, RankingSettings } from './formats/embeddingSettings.ts';
export type { CheckpointSource, OpenOptions } from './formats/open.ts';
export type { DirectoryHandleLike, FileHandleLike } from './formats/sources/files.ts';
export type { HttpOptions } from './formats/sources/httpFile.ts';
export type { HttpOptions as RequestOptions } from './formats/sources/request.ts';
export type { RetryPolicy } from './formats/sources/retrying.ts';
export { type DecodeTextOptions, decodeText, textEncodings } from './formats/textEncoding.ts';
export type {
  CacheSlot,
  Cost,
  Dim,
  Graph,
  Op,
  Product,
  Registers,
  Shape,
  StateSlot,
  Value,
  WeightAttributes,
} from './graph/graph.ts';
export type { InputValues } from './graph/ops/input.ts';
export type { Notes, Program, ProgramDescription, Settings, Timing } from './graph/program.ts';
export type {
  BatchStep,
  CachedStep,
  Choosing,
  ChosenToken,
  KeptRow,
  Page,
  PageState,
  PageStore,
  SequencePart,
  Step,
  StepOptions,
  StepResult,
} from './graph/step.ts';
export type { Adapter, AdapterFactors } from './models/adapter.ts';
export type { BoundPromise, ExitBinding, ExitHeader, ExitPart, ExitPromise } from './models/exitPart.ts';
export type { Factors } from './models/modelBuilder.ts';
export type { EmbedInput, EmbedOptions } from './runtime/embed.ts';
export type { MemoryEstimate } from './runtime/estimate.ts';
export type { Divergence, EvaluateTextOptions, TextEvaluation } from './runtime/evaluateText.ts';
export type { Continuation, GenerateManyOptions } from './runtime/generateMany.ts';
export type { GenerateOptions } from './runtime/generateOptions.ts';

// running, and adapting to the device

export type { AdaptEvent } from './adapt/governedPacer.ts';
export type { AdaptLimits } from './adapt/limits.ts';
export type { AdaptOptions, LoadOptions } from './adapt/load.ts';
export type { Decision, Plan } from './adapt/plan.ts';
export type { Battery, Energy, Pressure, Sensors, Signal, Signals, Temperature } from './adapt/sensors/signals.ts';
export type { LoadedExit } from './runtime/exits/exit.ts';
export type { FinishReason, Generation, GenerationResult, Piece, PieceLogProbability } from './runtime/generation.ts';
export type { EmbedderInspection, Inspection, TensorInspection } from './runtime/inspect.ts';
export type { LoadOptions as ModelOptions } from './runtime/loadOptions.ts';
export type { MeasureSpeedOptions, Speed } from './runtime/measureSpeed.ts';
export type { EvaluateOptions, Model, UpdateOptions } from './runtime/model.ts';
export type { PacedStep, Pacer } from './runtime/pacer.ts';
export type { Prompt, PromptOptions } from './runtime/prompt.ts';
export type { RankedDocument, RankOptions } from './runtime/rank.ts';
export type { KernelSpeed, MeasureKernelsOptions, Roofline } from './runtime/roofline/measureKernels.ts';
export type { AdvanceOptions, ChooseOptions, ExitPlace, Sequence } from './runtime/sequence.ts';
export type { Session } from './runtime/session.ts';
export type { ModelSummary } from './runtime/summary.ts';
export type { OutputName } from './runtime/task.ts';
export type { ChoiceRule } from './sampling/chooseToken.ts';
export type { TokenLogProbability } from './sampling/logProbabilities.ts';
export type { SamplingOptions } from './sampling/sampler.ts';
export type { BlockCodebook, CodebookBlock, CodebookRanges } from './tensor/blockCodebook.ts';
export type { BlockFormat } from './tensor/blockFormat.ts';
export type { BlockGrid, GridBlock } from './tensor/blockGrid.ts';
export type { Codebook } from './tensor/quant/codebooks.ts';
export type { ChatMessage, TextPart, ToolCall, ToolDefinition } from './tokenizer/chatMessage.ts';
export type { ChatOptions } from './tokenizer/chatPrompt.ts';
export type { ChatTemplateSource } from './tokenizer/chatTemplate.ts';
export { ChatTemplateError } from './tokenizer/chatTemplateError.ts';
export { parseTemplateJson } from './tokenizer/jinja/readJson.ts';
export type {
  AddedToken,
  DecoderStep,
  Merge,
  NormalizerStep,
  PreTokenizerStep,
  SplitBehavior,
  Template,
  TemplatePart,
  TokenizerSpec,
} from './tokenizer/spec.ts';
export type { SpecialTokens } from './tokenizer/specialTokens.ts';
export type { PartRule } from './tokenizer/textParts.ts';
export type { DecodeOptions, Decoder, EncodedPair, EncodeOptions, Tokenizer } from './tokenizer/tokenizer.ts';
export type { NormalizationForm } from './tokenizer/unicode/unicode.ts';
