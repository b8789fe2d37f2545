/** `espalier package push` and `import`: packages in OCI registries and layouts. */
import { Command } from 'commander';
import { folderPublication, importFiles, openOci, openRemote, pushPackage } from '../../../package/index.ts';
import { interruptSignal } from '../../interrupt.ts';
import { bytesForPeople, print, printJson } from '../../output.ts';
import { progressBar } from '../../progressBar.ts';

interface JsonValues {
  readonly json?: boolean;
}

const TARGET = 'oci://HOST/NAME:TAG of a registry, or oci:FOLDER:TAG of an image layout';

export function pushCommand(): Command {
  return new Command('push')
    .description('Copy the newest version of a published package to an OCI registry, as a ModelPack artifact.')
    .argument('<location>', 'URL or path of the published folder')
    .argument('<target>', `${TARGET}; user and password: ESPALIER_REGISTRY_USER, ESPALIER_REGISTRY_PASSWORD`)
    .option('--json', 'print one JSON object')
    .action(push);
}

export function importCommand(): Command {
  return new Command('import')
    .description('Write the files of a ModelPack artifact into a folder.')
    .argument('<source>', TARGET)
    .argument('<folder>', 'folder to write')
    .option('--json', 'print one JSON object')
    .action(importArtifact);
}

async function push(location: string, target: string, { json }: JsonValues): Promise<void> {
  const signal = interruptSignal();
  const progress = progressBar();
  try {
    const { onProgress } = progress;
    const to = await openOci(target, { signal });
    const pushed = await pushPackage(await openRemote(location), to, { onProgress, signal });
    progress.stop();
    if (json) return printJson(pushed);
    print(
      `${pushed.name} ${pushed.version}: ${bytesForPeople(pushed.sentBytes)} sent, ${target}@sha256:${pushed.digest}`,
    );
  } finally {
    progress.stop();
  }
}

async function importArtifact(source: string, folder: string, { json }: JsonValues): Promise<void> {
  const signal = interruptSignal();
  const files = await importFiles(await openOci(source, { signal }), await folderPublication(folder), { signal });
  if (json) printJson({ folder, files });
  else print(`${folder}: ${files.join(', ')}`);
}
