/** `espalier/package`: models as packages of components that are published, installed, updated and rolled back. */
import { fileSource } from '#leaf/formats/sources/path';
import { deviceFiles } from '#leaf/package/store/deviceFiles';
import { folderPublication } from '#leaf/package/update/folderPublication';
import { PackageStore } from './store/packageStore.ts';

export type { Component, Manifest, Piece, Section } from './manifest.ts';
export { generationOf, manifestBytes, readManifest } from './manifest.ts';
export { PackageError } from './packageError.ts';
export { openComponent } from './store/componentSource.ts';
export { memoryFiles } from './store/memoryFiles.ts';
export { PackageStore, type StoredPackage, type StoreUsage } from './store/packageStore.ts';
export type { Pointer } from './store/pointer.ts';
export type { StoreFiles } from './store/storeFiles.ts';
export { createKeyPair, type PrivateKey, type PublicKey, readPrivateKey, readPublicKey } from './trust/ecdsaKey.ts';
export { signModel, verifyBundle } from './trust/oms/bundle.ts';
export { compareModel, describeModel, type ModelFile } from './trust/oms/modelFiles.ts';
export type { SignedModel, SignedResource } from './trust/oms/statement.ts';
export { renewPublication, rotateKeys, type SignedPublication, signPublication } from './trust/signPublication.ts';
export { TrustError } from './trust/trustError.ts';
export { TufClient, type TufOptions, type TufState } from './trust/tuf/client.ts';
export type { SignOptions } from './trust/tuf/repository.ts';
export { type TrustOptions, verifyPublication } from './trust/verifyPublication.ts';
export type { OfferedDelta, Plan, Step } from './update/plan.ts';
export {
  type ComponentToPack,
  type Publication,
  type Published,
  type PublishOptions,
  publish,
} from './update/publish.ts';
export { type PullOptions, type PullResult, pull } from './update/pull.ts';
export { openRemote, type Remote } from './update/remote.ts';
export { fileSource as openFile, folderPublication };

/**
 * Opens the store of this device.
 * @param folder in Node a path, default: ESPALIER_PACKAGES, then `espalier/packages` in the user's data folder; in browsers a
 *   folder of the private file system, default: `espalier-packages`
 */
export function openStore(folder?: string): PackageStore {
  return new PackageStore(deviceFiles(folder));
}
