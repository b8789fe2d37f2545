/** What a training run writes down, a line of JSON each: the same for the same run, but for the fields in seconds. */
import { z } from 'zod';

/** JSON has no infinity and no NaN, and writes null. */
const number = z
  .number()
  .nullable()
  .transform((value) => value ?? Number.NaN);
const step = z.int().nonnegative();

const schema = z.discriminatedUnion('kind', [
  z.object({ kind: z.literal('start'), step, parameters: z.number(), recipe: z.unknown() }),
  z.object({
    kind: z.literal('step'),
    /** Updates done, this one included. */
    step,
    /** Mean over the tokens learned, in nats. */
    loss: number,
    learningRate: z.number(),
    /** Before clipping. */
    gradientNorm: number,
    /** Of all sequences, learned or not. */
    tokens: z.number(),
    /** That the step took. */
    seconds: z.number(),
  }),
  z.object({
    kind: z.literal('evaluation'),
    step,
    /** Mean over the held-out texts by their weights, in nats per token. */
    loss: number,
    texts: z.array(z.object({ name: z.string(), loss: number })),
    seconds: z.number(),
  }),
  z.object({ kind: z.literal('sample'), step, prompt: z.string(), text: z.string() }),
  z.object({ kind: z.literal('end'), step, reason: z.string() }),
]);

export type LogLine = z.infer<typeof schema>;

/** The line of a text, without its line break; undefined for one that is torn or says something else. */
export function parseLogLine(text: string): LogLine | undefined {
  try {
    return schema.safeParse(JSON.parse(text)).data;
  } catch {
    return undefined;
  }
}

/** All lines up to the first that is torn. */
export function parseLog(text: string): LogLine[] {
  const lines: LogLine[] = [];
  for (const { line } of whole(text)) lines.push(line);
  return lines;
}

/**
 * The part of a log that stands when a run goes on behind a step: up to the first line that is of a later step, torn, or
 * says that the run ended. What is written behind it then makes the log of a run that was never cut.
 */
export function logUpTo(text: string, last: number): string {
  let end = 0;
  for (const { line, to } of whole(text)) {
    if (line.step > last || line.kind === 'end') break;
    end = to;
  }
  return text.slice(0, end);
}

/** Lines that end with a line break and say what a line may, and where in the text each ends. */
function* whole(text: string): Generator<{ line: LogLine; to: number }> {
  for (let from = 0; from < text.length; ) {
    const to = text.indexOf('\n', from) + 1;
    const line = to > 0 ? parseLogLine(text.slice(from, to - 1)) : undefined;
    if (!line) return;
    yield { line, to };
    from = to;
  }
}
