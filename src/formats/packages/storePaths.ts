/** Paths of files and folders in a store. */
export const piecePath = (hash: string) => `pieces/${hash.slice(0, 2)}/${hash}`;
export const manifestPath = (generation: string) => `manifests/${generation}`;
/** Folder of a package. */
export const folderOf = (name: string) => `packages/${encodeURIComponent(name)}`;
