/** Which components of a generation are installed, where not all of them are. */
import { readSlots, slotsOf, writeSlots } from './slots.ts';
import type { StoreFiles } from './storeFiles.ts';

interface Roles {
  /** Increases by one with every change. */
  readonly sequence: number;
  readonly roles: readonly string[];
}

/** A manifest has at most 10,000 components with roles of at most 200 characters. */
const MAX_BYTES = 4 * 1024 * 1024;
const FOLDER = 'roles';

export class InstalledRoles {
  readonly #files: StoreFiles;

  constructor(files: StoreFiles) {
    this.#files = files;
  }

  /** Undefined: all components are installed. */
  async of(generation: string): Promise<ReadonlySet<string> | undefined> {
    const found = await this.#read(generation);
    return found && new Set(found.roles);
  }

  /**
   * Call it when the pieces of these components are stored. A record that is there stays, even if it lists all: where a power failure loses the pieces of a
   * component that was added, it tells that one from the others.
   * @param roles all if `isAll`
   */
  async keep(generation: string, roles: readonly string[], isAll = false): Promise<void> {
    const before = await this.#read(generation);
    if ((isAll && !before) || before?.roles.join() === roles.join()) return;
    await writeSlots<Roles>(this.#files, this.#path(generation), { sequence: (before?.sequence ?? 0) + 1, roles });
  }

  /** Paths of all files. */
  async paths(): Promise<string[]> {
    return (await this.#files.list(FOLDER)).map((name) => `${FOLDER}/${name}`);
  }

  pathsOf(generation: string): string[] {
    return slotsOf(this.#path(generation), 2);
  }

  #path(generation: string): string {
    return `${FOLDER}/${generation}`;
  }

  #read(generation: string): Promise<Roles | undefined> {
    return readSlots<Roles>(this.#files, this.#path(generation), MAX_BYTES);
  }
}
