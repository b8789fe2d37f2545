/** Which round comes next. Depends on the settings and the report only, so a journal replays it. */
import type { ReportLine } from './reportLine.ts';
import type { FederationSettings } from './settings.ts';

/** Number of closed training rounds. */
export function closedTrainings(report: readonly ReportLine[]): number {
  return report.filter(isClosedTraining).length;
}

/** True after every n-th training round, and after the last one, until an evaluation was tried. */
export function isEvaluationDue({ evaluation, rounds }: FederationSettings, report: readonly ReportLine[]): boolean {
  const last = report.at(-1);
  if (!evaluation || !last || !isClosedTraining(last)) return false;
  const closed = closedTrainings(report);
  return closed % evaluation.every === 0 || closed === rounds;
}

function isClosedTraining({ outcome, kind }: ReportLine): boolean {
  return outcome === 'closed' && kind !== 'evaluate';
}
