/** Chooses the components of a new version that are installed. */
import { componentOf } from '../../formats/packages/componentSource.ts';
import { isEssential, type Manifest } from '../../formats/packages/manifest.ts';

/**
 * @param installed manifest of the installed version @param before the same with its installed components only
 * @returns roles of the components to install; undefined for all
 * @throws {PackageError} NOT_IN_PACKAGE
 */
export function wantedRoles(
  manifest: Manifest,
  installed: Manifest | undefined,
  before: Manifest | undefined,
  more: readonly string[] | undefined,
): ReadonlySet<string> | undefined {
  const hasAll = before === undefined || before.components.length === installed!.components.length;
  if (more === undefined && hasAll) return undefined;
  for (const role of more ?? []) componentOf(manifest, role);
  const wanted = new Set([...(before?.components ?? []).map(({ role }) => role), ...(more ?? [])]);
  const roles = manifest.components.map(({ role }) => role).filter((role) => isEssential(role) || wanted.has(role));
  return roles.length === manifest.components.length ? undefined : new Set(roles);
}
