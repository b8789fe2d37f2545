/** Checks of a server's answers: it may be dishonest, or another program. */
import * as z from 'zod';
import { FederatedError } from '../federatedError.ts';
import { joinSchema } from '../round/messages.ts';
import type { Receipt } from '../round/protocol.ts';
import type { Status } from '../server/federation.ts';

const name = () => z.string().max(100);
const names = () => z.array(name());

const instruction = z.discriminatedUnion('phase', [
  z.object({ phase: z.enum(['open', 'closed']) }),
  z.object({ phase: z.literal('wait'), for: z.string() }),
  z.object({ phase: z.literal('keys'), roster: z.array(joinSchema) }),
  z.object({
    phase: z.literal('update'),
    senders: names().optional(),
    sealed: z.record(name(), z.string().max(400)).optional(),
    commitments: z.record(name(), z.tuple([name(), name()])).optional(),
  }),
  z.object({ phase: z.literal('confirm'), survivors: names(), dropped: names() }),
  z.object({
    phase: z.literal('unmask'),
    survivors: names(),
    dropped: names(),
    confirmations: z.record(name(), z.string().max(200)),
  }),
  z.object({ phase: z.enum(['aborted', 'finished']), reason: z.string() }),
]);

/** The round's settings are checked where they are used, with `checkRoundConfig`. */
const status = z.object({
  federation: z.string(),
  weightsHash: z.string().regex(/^[0-9a-f]{64}$/),
  config: z.looseObject({ id: name() }).optional(),
  instruction,
});

const receipt = z.object({
  status: z.enum(['accepted', 'duplicate', 'refused']),
  code: z.string().optional(),
  reason: z.string().optional(),
});

/** @throws {FederatedError} BAD_ANSWER */
export function checkStatus(value: unknown): Status {
  return checked(status, value, 'status') as Status;
}

/** @throws {FederatedError} BAD_ANSWER */
export function checkReceipt(value: unknown): Receipt {
  return checked(receipt, value, 'receipt');
}

function checked<T>(schema: z.ZodType<T>, value: unknown, what: string): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const problems = result.error.issues.map(({ path, message }) => `${path.join('.') || what}: ${message}`);
  throw new FederatedError('BAD_ANSWER', `the server's ${what} is invalid: ${problems.slice(0, 5).join('; ')}`, {});
}
