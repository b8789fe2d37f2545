/** Common interface of a registry and an image layout on disk: blobs by digest, and one manifest under a tag. */
import type { Run } from '../update/remote.ts';

export interface OciStore {
  /** Location for error messages. */
  readonly name: string;
  /** @param sha256 digest in hexadecimal */
  hasBlob(sha256: string): Promise<boolean>;
  putBlob(sha256: string, bytes: number, parts: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<void>;
  /** Opens a range of a blob. Returns undefined if there is none. */
  openBlob(sha256: string, offset: number, length: number, signal?: AbortSignal): Promise<Run | undefined>;
  /** The manifest of the tag; undefined if there is none. */
  readManifest(): Promise<Uint8Array | undefined>;
  putManifest(bytes: Uint8Array): Promise<void>;
}

export const OCI_MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
/** Maximum bytes of a manifest, as registries have it. */
export const MAX_OCI_MANIFEST_BYTES = 4 * 1024 * 1024;
