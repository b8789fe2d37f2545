/** Generated random models, and goldens of llama.cpp. */
export { architectures, type Dimensions } from './architectures.ts';
export { type ModelOptions, makeModel, writeModel } from './gguf.ts';
export {
  type Agreement,
  agreement,
  type Golden,
  type GoldenPlan,
  goldenModel,
  goldenPlans,
  klDivergence,
  largest,
  listOfGoldens,
  readGolden,
  softmax,
} from './goldens.ts';
export { writeHuggingFaceModel } from './huggingFace.ts';
export { gardenText } from './text.ts';
