/** The log of a training run: one JSON object per line. Except for the fields in seconds, the same run writes the same log. */
import * as z from 'zod';

/** JSON has no NaN or infinity and writes null. */
const number = z
  .number()
  .nullable()
  .transform((value) => value ?? Number.NaN);
const step = z.int().nonnegative();

const schema = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('start'), step, parameters: z.number(), recipe: z.unknown() }),
  z.object({
    kind: z.literal('step'),
    /** Number of updates, including this one. */
    step,
    /** Mean loss per trained token, in nats. */
    loss: number,
    learningRate: z.number(),
    /** Gradient norm before clipping. */
    gradientNorm: number,
    /** Number of tokens in all sequences, including those without a target. */
    tokens: z.number(),
    /** Duration of the step. */
    seconds: z.number(),
  }),
  z.object({
    kind: z.literal('evaluation'),
    step,
    /** Weighted mean over the held-out texts, in nats per token. */
    loss: number,
    texts: z.array(z.object({ name: z.string(), loss: number })),
    seconds: z.number(),
  }),
  z.object({ kind: z.literal('sample'), step, prompt: z.string(), text: z.string() }),
  z.object({ kind: z.literal('end'), step, reason: z.string() }),
]);

export type LogLine = z.infer<typeof schema>;

/** Parses a line without its line break. Returns undefined if it is truncated or not a log line. */
export function parseLogLine(text: string): LogLine | undefined {
  try {
    return schema.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}

/** Parses all lines up to the first invalid one. */
export function parseLog(text: string): LogLine[] {
  const lines: LogLine[] = [];
  for (const { line } of validLines(text)) lines.push(line);
  return lines;
}

/**
 * Returns the part of a log to keep when a run resumes after step `last`: all lines before the first that belongs to a
 * later step, is invalid, or ends the run. With the new lines appended, the log is that of an uninterrupted run.
 */
export function logUpTo(text: string, last: number): string {
  let end = 0;
  for (const { line, to } of validLines(text)) {
    if (line.step > last || line.kind === 'end') break;
    end = to;
  }
  return text.slice(0, end);
}

/** Yields valid, complete lines and their end offsets, up to the first invalid line. */
function* validLines(text: string): Generator<{ line: LogLine; to: number }> {
  for (let from = 0; from < text.length; ) {
    const to = text.indexOf('\n', from) + 1;
    const line = to > 0 ? parseLogLine(text.slice(from, to - 1)) : undefined;
    if (!line) return;
    yield { line, to };
    from = to;
  }
}
