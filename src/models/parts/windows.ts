/** Sliding-window attention: the window of each layer. */

import { isList } from '../metadata.ts';
import type { ModelBuilder } from '../modelBuilder.ts';
import type { Dimensions } from './dimensions.ts';

export interface Windows {
  /** Window of a layer in positions, including the token itself; 0: no window. */
  of(layer: number): number;
  isLocal(layer: number): boolean;
  /** True if the file sets a window size. */
  readonly stated: boolean;
}

export interface WindowOptions {
  /** Default period. */
  readonly period: number;
  /** Default window. Default: 0, none. */
  readonly width?: number;
  /** True if the file must have the window, as for the architectures of which llama.cpp requires the key. Default: false. */
  readonly required?: boolean;
  readonly globalFirst?: boolean;
}

/**
 * Reads `attention.sliding_window` and `attention.sliding_window_pattern`: a list by layer, or a period n, of whose layers all
 * but the last (or the first) are local; 0: all are, 1: none is.
 * @throws {FormatError} if the window is required and missing
 */
export function windows({ metadata }: ModelBuilder, { layers }: Dimensions, options: WindowOptions): Windows {
  const width = metadata.count('attention.sliding_window', options.required ? undefined : (options.width ?? 0), 0);
  const stated = metadata.value('attention.sliding_window_pattern');
  const local = isList(stated)
    ? metadata.flags('attention.sliding_window_pattern', layers)
    : periodic(metadata.count('attention.sliding_window_pattern', options.period, 0), layers, options.globalFirst);
  const isLocal = (layer: number): boolean => width > 0 && local[layer];
  return { of: (layer) => (isLocal(layer) ? width : 0), isLocal, stated: width > 0 };
}

function periodic(period: number, layers: number, globalFirst = false): boolean[] {
  return Array.from({ length: layers }, (_, layer) => {
    if (period === 0) return true;
    return globalFirst ? layer % period !== 0 : layer % period < period - 1;
  });
}

/** Reach to each side, including the token itself, of a window that lies around the token. */
export const symmetric = (window: number): number => (window > 0 ? Math.floor(window / 2) + 1 : 0);
