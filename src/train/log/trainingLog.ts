/** The log file of a run (JSON Lines), written while it runs. */
import { openLogFile } from '#leaf/train/log/logFile';
import { type LogLine, logUpTo } from './logLine.ts';

export interface TrainingLog {
  write(line: LogLine): Promise<void>;
  /** Syncs the file to disk. Called before a checkpoint is saved, because a resumed run does not repeat these lines. */
  flush(): Promise<void>;
  /** Returns all lines so far. */
  text(): Promise<string>;
  close(): Promise<void>;
}

/**
 * @param resumeAt step of the checkpoint that the run resumes from; later lines are removed. Undefined: starts a new log and
 *   discards an existing one
 * @throws {SourceError} if the file cannot be written
 */
export async function openLog(path: string, resumeAt?: number): Promise<TrainingLog> {
  const file = await openLogFile(path);
  await file.truncateTo(resumeAt === undefined ? '' : logUpTo(await file.text(), resumeAt));
  return {
    write: (line) => file.append(`${JSON.stringify(line)}\n`),
    flush: () => file.flush(),
    text: () => file.text(),
    close: () => file.close(),
  };
}
