/** References `oci://HOST[:PORT]/NAME[:TAG]` of OCI registries, and `oci:FOLDER[:TAG]` of OCI image layouts, as skopeo writes them. */
import { OptionError } from '../../core/errors.ts';

export interface RegistryReference {
  readonly kind: 'registry';
  readonly host: string;
  readonly repository: string;
  readonly tag: string;
}

export interface LayoutReference {
  readonly kind: 'layout';
  readonly folder: string;
  readonly tag: string;
}

/** Returns undefined for locations of another kind. @throws {OptionError} */
export function ociReference(location: string): RegistryReference | LayoutReference | undefined {
  if (!/^oci:/i.test(location)) return undefined;
  const registry = /^oci:\/\/([^/]+)\/([a-z0-9][a-z0-9._/-]*)(?::([\w][\w.-]{0,127}))?$/i.exec(location);
  if (registry) {
    const [, host, repository, tag = 'latest'] = registry;
    return { kind: 'registry', host: host, repository: repository, tag };
  }
  const layout = /^oci:(?!\/\/)(.+?)(?::([\w][\w.-]{0,127}))?$/i.exec(location);
  if (!layout) throw new OptionError('location', location, 'oci://HOST/NAME:TAG or oci:FOLDER:TAG');
  const [, folder, tag = 'latest'] = layout;
  return { kind: 'layout', folder: folder, tag };
}
