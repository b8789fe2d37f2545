/** Opens OCI registries and layouts by their reference. */
import { environment } from '#leaf/formats/download/environment';
import { folderPublication } from '#leaf/package/update/folderPublication';
import { OptionError } from '../../core/errors.ts';
import { layoutStore } from './layout.ts';
import type { OciStore } from './ociStore.ts';
import { ociReference } from './reference.ts';
import { type RegistryOptions, registryStore } from './registry.ts';

/** @param location oci://HOST/NAME:TAG or oci:FOLDER:TAG @throws {OptionError} */
export async function openOci(location: string, options: RegistryOptions = {}): Promise<OciStore> {
  const reference = ociReference(location);
  if (!reference) throw new OptionError('location', location, 'oci://HOST/NAME:TAG or oci:FOLDER:TAG');
  if (reference.kind === 'registry') {
    const user = environment('ESPALIER_REGISTRY_USER');
    const password = environment('ESPALIER_REGISTRY_PASSWORD');
    return registryStore(reference, { ...(user !== undefined && { user, password: password ?? '' }), ...options });
  }
  return layoutStore(await folderPublication(reference.folder), reference.tag);
}
