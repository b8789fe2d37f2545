/** `espalier/package`: models as packages of components that are published, installed, updated and rolled back. */

import { deviceFiles } from '#leaf/formats/packages/deviceFiles';
import { fileSource } from '#leaf/formats/sources/path';
import { folderPublication } from '#leaf/package/update/folderPublication';
import { PackageStore } from '../formats/packages/packageStore.ts';

export type { PackageErrorCode, TrustErrorCode } from '../core/errorCodes.ts';
export type { ByteSink } from '../formats/byteSink.ts';
export { installedManifest, openComponent } from '../formats/packages/componentSource.ts';
export type { Check, Component, Manifest, Piece, Section } from '../formats/packages/manifest.ts';
export { generationOf, manifestBytes, readManifest } from '../formats/packages/manifest.ts';
export { memoryFiles } from '../formats/packages/memoryFiles.ts';
export { PackageError } from '../formats/packages/packageError.ts';
export { PackageStore } from '../formats/packages/packageStore.ts';
export type { PartialPiece } from '../formats/packages/partialPiece.ts';
export type { Pointer } from '../formats/packages/pointer.ts';
export type { StoreFiles } from '../formats/packages/storeFiles.ts';
export type { StoredPackage, StoreUsage } from '../formats/packages/storeUsage.ts';
export type { TrustRecord, TufState } from '../formats/packages/trustRecord.ts';
export { mergeAdapter } from './derive/mergeAdapter.ts';
export { type VerifiedDerivation, verifyDerivations } from './derive/verifyDerivations.ts';
export { manifestSchema } from './manifestSchema.ts';
export { importFiles, type Pushed, type PushOptions, pushPackage } from './oci/artifactFiles.ts';
export type { OciStore } from './oci/ociStore.ts';
export { openOci } from './oci/openOci.ts';
export type { RegistryOptions } from './oci/registry.ts';
export { type CheckResult, type ProbeOptions, probe } from './probe/probe.ts';
export { createKeyPair, type PrivateKey, type PublicKey, readPrivateKey, readPublicKey } from './trust/ecdsaKey.ts';
export { signModel, verifyBundle } from './trust/oms/bundle.ts';
export { compareModel, describeModel, type ModelFile } from './trust/oms/modelFiles.ts';
export type { SignedModel, SignedResource } from './trust/oms/statement.ts';
export { renewPublication, rotateKeys, type SignedPublication, signPublication } from './trust/signPublication.ts';
export { TrustError } from './trust/trustError.ts';
export { TufClient, type TufOptions } from './trust/tuf/client.ts';
export type { SignOptions } from './trust/tuf/repository.ts';
export { type TrustOptions, verifyPublication } from './trust/verifyPublication.ts';
export type { OfferedDelta, OfferedDerivation, Plan, Step } from './update/plan.ts';
export {
  type ComponentToPack,
  type Publication,
  type Published,
  type PublishOptions,
  publish,
} from './update/publish.ts';
export { type PullOptions, type PullResult, pull } from './update/pull.ts';
export { openRemote, type Remote } from './update/remote.ts';
export type { Device } from './update/requirements.ts';
export { fileSource as openFile, folderPublication };

/**
 * Opens the store of this device.
 * @param folder in Node a path, default: ESPALIER_PACKAGES, then `espalier/packages` in the user's data folder; in browsers a
 *   folder of the private file system, default: `espalier-packages`
 */
export function openStore(folder?: string): PackageStore {
  return new PackageStore(deviceFiles(folder));
}
export type { PlacedPiece, StoredSection } from '../formats/packages/manifest.ts';
export type { Recipe } from './derive/recipe.ts';
export type { HashOptions } from './trust/oms/modelFiles.ts';
export type { RoleType, TargetFile } from './trust/tuf/metadata.ts';
export type { VerifiedPublication } from './trust/verifyPublication.ts';
export type { Run } from './update/remote.ts';
