/** Locates a model on a hub. A file of its own, so that pages with their own files do not download the hub's client. */
import type { Folder } from '../folder.ts';
import { type HubOptions, isWeights, parseHubName } from './hub.ts';
import { HubRepository } from './hubRepository.ts';

/** Locates the folder of a repository and, if the name ends like a model file, the file in it. @throws {OptionError} */
export function locateOnHub(name: string, options: HubOptions = {}): { folder: Folder; file?: string } {
  const { inside, ...rest } = parseHubName(name);
  const folders = [...inside];
  const file = isWeights(folders.at(-1) ?? '') ? folders.pop() : undefined;
  return { folder: new HubRepository(rest, folders, options), file };
}
