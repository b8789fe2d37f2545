/** Number of recurrent states that a sequence keeps beside its pages. */
import { PAGE_POSITIONS } from '../../graph/step.ts';

interface PageSizes {
  readonly pageBytes: number;
  readonly stateBytes: number;
}

/** States besides those at intervals: the current one, the one before it, and the one before the end of the last prompt. */
const OTHER_STATES = 3;

/** Every so many pages, one keeps its state. States take at most as much memory as keys and values. */
export function stateInterval({ pageBytes, stateBytes }: PageSizes): number {
  return Math.max(1, Math.ceil(stateBytes / Math.max(1, pageBytes)));
}

/** Number of pages for the keys and values of a sequence, plus the number of pages that are as large as its states. */
export function pagesFor(positions: number, sizes: PageSizes): number {
  const pages = Math.ceil(positions / PAGE_POSITIONS);
  if (sizes.stateBytes === 0) return pages;
  const states = pages / stateInterval(sizes) + OTHER_STATES;
  return pages + Math.ceil(states * pagesPerState(sizes));
}

/** Greatest number of pages of keys and values for which `budget` pages suffice. */
export function mostPages(budget: number, sizes: PageSizes): number {
  if (sizes.stateBytes === 0) return budget;
  const perState = pagesPerState(sizes);
  const room = budget - 1 - OTHER_STATES * perState;
  return Math.max(0, Math.floor(room / (1 + perState / stateInterval(sizes))));
}

function pagesPerState({ pageBytes, stateBytes }: PageSizes): number {
  return stateBytes / Math.max(1, pageBytes);
}
