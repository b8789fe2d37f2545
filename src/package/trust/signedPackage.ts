/** A package as a model of OpenSSF Model Signing: the manifest beside the files of its components, as `espalier package export` writes them. */
import { generationOf, type Manifest } from '../../formats/packages/manifest.ts';
import type { SignedResource } from './oms/statement.ts';
import { TrustError } from './trustError.ts';

export const MANIFEST_NAME = 'espalier-package.json';

/** @throws {TrustError} FILES_DIFFER if a component's file has the manifest's name */
export function signedResourcesOf(manifest: Manifest): SignedResource[] {
  if (manifest.components.some(({ file }) => file.name === MANIFEST_NAME))
    throw new TrustError('FILES_DIFFER', `${manifest.name}: a component may not be called ${MANIFEST_NAME}`, {});
  const files = manifest.components.map(({ file }) => ({ name: file.name, digest: file.sha256 }));
  return [{ name: MANIFEST_NAME, digest: generationOf(manifest) }, ...files];
}
