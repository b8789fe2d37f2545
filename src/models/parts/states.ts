/** Indices of recurrent states. A layer's first state, of its convolution, has the layer's index. */
import { MOST_LAYERS } from '../limits.ts';

/** Index of a layer's second state, of its recurrence. */
export const secondState = (layer: number): number => MOST_LAYERS + layer;
