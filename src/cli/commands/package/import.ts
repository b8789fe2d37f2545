/** `espalier package import`: files of artifacts in OCI registries and layouts. */
import { Command } from 'commander';
import { folderPublication, importFiles, openOci } from '../../../package/index.ts';
import { interruptSignal } from '../../interrupt.ts';
import { print, printJson } from '../../output.ts';

interface JsonValues {
  readonly json?: boolean;
}

export const OCI_TARGET = 'oci://HOST/NAME:TAG of a registry, or oci:FOLDER:TAG of an image layout';

export function importCommand(): Command {
  return new Command('import')
    .description('Write the files of a ModelPack artifact into a folder.')
    .argument('<source>', OCI_TARGET)
    .argument('<folder>', 'folder to write')
    .option('--json', 'print one JSON object')
    .action(importArtifact);
}

async function importArtifact(source: string, folder: string, { json }: JsonValues): Promise<void> {
  const signal = interruptSignal();
  const files = await importFiles(await openOci(source, { signal }), await folderPublication(folder), { signal });
  if (json) printJson({ folder, files });
  else print(`${folder}: ${files.join(', ')}`);
}
