/** Entry point `espalier/compress`: quantizes models, measures what their matrices see in a text, and compares the results. */

export type { CalibrationOptions } from './calibration.ts';
export type { FileFacts, SideBySide, SourceFacts, StageResult, TextFacts } from './card/card.ts';
export { type Card, type CardOptions, fileFacts, makeCard, refuseSameText, textFacts, writeCard } from './card/card.ts';
export { limitLine } from './card/cardPage.ts';
export { type CompareOptions, type Comparison, compare } from './compare.ts';
export { comparePage, writeComparePage } from './comparePage.ts';
export type {
  DecodeCosts,
  DecodeMeter,
  DecodePrediction,
  DecodeRequest,
  TokenCost,
} from './decodeCosts.ts';
export { type FileType, fileTypes } from './fileTypes.ts';
export { type ImportanceEntry, type ImportanceMatrix, readImatrix, writeImatrix } from './imatrix.ts';
export { describeOutliers, type InputQuantiles, type OutlyingChannel, QUANTILES } from './inputQuantiles.ts';
export { type JoinTextsOptions, joinTexts, SELF } from './joinTexts.ts';
export { type ImportanceOptions, measureImportance } from './measureImportance.ts';
export {
  type CutVocabularyOptions,
  type CutVocabularyResult,
  cutVocabulary,
} from './prune/cutVocabulary.ts';
export type { TriedDrop } from './prune/dropAuto.ts';
export { type DropLayersOptions, type DropLayersResult, dropLayers } from './prune/dropLayers.ts';
export { type NarrowOptions, type NarrowResult, narrow } from './prune/narrow.ts';
export { type PruneOptions, type PruneResult, prune } from './prune/prune.ts';
export type { PruningMethod } from './prune/pruneMatrix.ts';
export { type QuantizedTensor, type QuantizeOptions, type QuantizeResult, quantize } from './quantize.ts';
export type { StagePlan } from './recipe/planStage.ts';
export type { RotationTrial } from './recipe/rotateIfBetter.ts';
export type { ShapeRecipe, ShapeStage } from './recipe/schema.ts';
export { type RecipeTexts, runRecipe, type ShapeOptions, type ShapeResult, shape } from './recipe/shape.ts';
export { type RotateOptions, rotate } from './rotate.ts';
export { type SampleTextOptions, sampleText } from './sampleText.ts';
export type { Method, Solved } from './solver.ts';
export { type SortNeuronsOptions, type SortNeuronsResult, sortNeurons } from './sortNeurons.ts';
export { type Trained, type TuneOptions, type TuneResult, tune } from './tune/tune.ts';
