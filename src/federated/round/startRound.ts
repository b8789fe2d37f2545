import { BufferedRound, type Carried } from './bufferedRound.ts';
import type { RoundMachine } from './protocol.ts';
import { Round } from './round.ts';
import type { RoundConfig } from './roundConfig.ts';

/** @param openedAt server's time in milliseconds @param carried from the version before, if rounds are asynchronous */
export function startRound(config: RoundConfig, openedAt: number, carried?: Carried): RoundMachine {
  return config.asynchronous ? new BufferedRound(config, openedAt, carried) : new Round(config, openedAt);
}
