/** What a server says when it refuses a request. */
import { readAtMost } from '../core/readAtMost.ts';

const MAXIMUM = 1 << 16;

/** @returns the fields of the JSON body; none if it is no JSON, or has more than 64 KiB */
export async function refusalBody({ body }: Response): Promise<Readonly<Record<string, unknown>>> {
  const bytes = await readAtMost(body, MAXIMUM);
  try {
    return JSON.parse(new TextDecoder().decode(bytes)) ?? {};
  } catch {
    return {};
  }
}
