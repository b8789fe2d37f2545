/** The log of a run in its file (JSON Lines), written as the run goes. */
import { openLogFile } from '#leaf/train/log/logFile';
import { type LogLine, logUpTo } from './logLine.ts';

export interface TrainingLog {
  write(line: LogLine): Promise<void>;
  /** Forces to the disk what was written: before a checkpoint that would not write it again. */
  flush(): Promise<void>;
  /** All lines so far, as text. */
  text(): Promise<string>;
  close(): Promise<void>;
}

/**
 * @param resumeAt the step of the checkpoint that the run goes on from: lines behind it are cut; absent: a new log, in
 *   place of one that is there
 * @throws {SourceError} where the file cannot be written
 */
export async function openLog(path: string, resumeAt?: number): Promise<TrainingLog> {
  const file = await openLogFile(path);
  await file.set(resumeAt === undefined ? '' : logUpTo(await file.text(), resumeAt));
  return {
    write: (line) => file.append(`${JSON.stringify(line)}\n`),
    flush: () => file.flush(),
    text: () => file.text(),
    close: () => file.close(),
  };
}
