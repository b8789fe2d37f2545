/**
 * An OCI image layout on disk, which skopeo, oras and others read:
 *
 *     oci-layout             {"imageLayoutVersion":"1.0.0"}
 *     index.json             manifests by tag
 *     blobs/sha256/HASH
 */
import { z } from 'zod';
import { hashOf } from '../../formats/packages/hash.ts';
import { PackageError } from '../../formats/packages/packageError.ts';
import type { Publication } from '../update/publish.ts';
import { readIfThere } from '../update/remote.ts';
import { MAX_OCI_MANIFEST_BYTES, OCI_MANIFEST, type OciStore } from './ociStore.ts';

const TAG = 'org.opencontainers.image.ref.name';
const INDEX_TYPE = 'application/vnd.oci.image.index.v1+json';

const index = z.looseObject({
  schemaVersion: z.literal(2),
  manifests: z.array(
    z.looseObject({
      digest: z.string().regex(/^sha256:[0-9a-f]{64}$/),
      annotations: z.record(z.string(), z.string()).optional(),
    }),
  ),
});

const blobFile = (sha256: string) => `blobs/sha256/${sha256}`;

/** @param folder opened with folderPublication */
export function layoutStore(folder: Publication, tag: string): OciStore {
  const readIndex = async () => {
    const bytes = await readIfThere(folder, 'index.json', MAX_OCI_MANIFEST_BYTES);
    if (!bytes) return { schemaVersion: 2 as const, mediaType: INDEX_TYPE, manifests: [] };
    try {
      return index.parse(JSON.parse(new TextDecoder().decode(bytes)));
    } catch (cause) {
      throw new PackageError(
        'BAD_PUBLICATION',
        `${folder.name}: index.json is damaged`,
        { where: folder.name },
        { cause },
      );
    }
  };
  const isTagged = ({ annotations }: z.infer<typeof index>['manifests'][number]) => annotations?.[TAG] === tag;
  return {
    name: `${folder.name}:${tag}`,
    async hasBlob(sha256) {
      const run = await folder.open(blobFile(sha256), 0, 1);
      await run?.close();
      return run !== undefined;
    },
    putBlob: (sha256, _bytes, parts) => folder.write(blobFile(sha256), parts),
    openBlob: (sha256, offset, length, signal) => folder.open(blobFile(sha256), offset, length, signal),
    async readManifest() {
      const { manifests } = await readIndex();
      const found = manifests.find(isTagged) ?? (manifests.length === 1 ? manifests[0] : undefined);
      return found && readIfThere(folder, blobFile(found.digest.slice('sha256:'.length)), MAX_OCI_MANIFEST_BYTES);
    },
    async putManifest(bytes) {
      const sha256 = hashOf(bytes);
      await folder.write(blobFile(sha256), [bytes]);
      const before = await readIndex();
      const entry = {
        mediaType: OCI_MANIFEST,
        digest: `sha256:${sha256}`,
        size: bytes.length,
        annotations: { [TAG]: tag },
      };
      const manifests = [...before.manifests.filter((each) => !isTagged(each)), entry];
      await folder.write('oci-layout', [new TextEncoder().encode('{"imageLayoutVersion":"1.0.0"}')]);
      await folder.write('index.json', [new TextEncoder().encode(JSON.stringify({ ...before, manifests }))]);
    },
  };
}
