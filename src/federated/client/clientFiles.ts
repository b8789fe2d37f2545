/** What a client keeps on its device: its identity, the state of its round, and its optimizer, each in a file. */
import { SourceError } from '../../core/errors.ts';
import { bytesToHex, hexToBytes } from '../encoding.ts';
import type { ClientFolder } from './clientState.ts';
import { identity } from './identity.ts';

/** The files of one client. Nobody else may read them: they contain secrets. */
export interface ClientFiles {
  /** Name for error messages. */
  readonly name: string;
  /** Returns undefined if there is no such file. */
  read(file: string): Promise<Uint8Array | undefined>;
  /** Replaces a file: after a crash it has either its old content or the new one. */
  replace(file: string, bytes: Uint8Array): Promise<void>;
}

const KEY = 'identity.key';
const ROUND = 'round.json';
const OPTIMIZER = 'optimizer.bin';

/**
 * Reads the client's identity, or makes a new one.
 * @param close releases the lock of the files
 * @throws {SourceError} if the file of the identity is damaged
 */
export async function openClientFiles(files: ClientFiles, close: () => Promise<void>): Promise<ClientFolder> {
  const text = async (file: string) => {
    const bytes = await files.read(file);
    return bytes && new TextDecoder().decode(bytes);
  };
  const write = (file: string, content: string) => files.replace(file, new TextEncoder().encode(content));
  const found = await text(KEY);
  if (found && !/^[0-9a-f]{64}\n?$/.test(found))
    throw new SourceError(
      `${files.name}/${KEY}`,
      'is not a key of 64 hexadecimal digits: remove it to get a new identity',
    );
  const own = found ? identity(hexToBytes(found.trim())) : identity();
  if (!found) await write(KEY, `${bytesToHex(own.secretKey)}\n`);
  return {
    identity: own,
    store: { load: () => text(ROUND), save: (state) => write(ROUND, state) },
    optimizerStore: { load: () => files.read(OPTIMIZER), save: (bytes) => files.replace(OPTIMIZER, bytes) },
    close,
  };
}
