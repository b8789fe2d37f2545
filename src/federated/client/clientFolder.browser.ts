/** A page has no folders: give `Participant` a store of its own. */
import { UnsupportedError } from '../../core/errors.ts';
import type { ClientFolder } from './clientState.ts';

export async function clientFolder(folder: string): Promise<ClientFolder> {
  throw new UnsupportedError('the state of a client', folder, ['a store of your own']);
}
