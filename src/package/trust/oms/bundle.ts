/** A signed model of OpenSSF Model Signing v1.0: its statement in a bundle. */
import type { PrivateKey, PublicKey } from '../ecdsaKey.ts';
import { signStatement, verifyStatement } from '../statementBundle.ts';
import { readStatement, type SignedModel, statementBytes } from './statement.ts';

/** Signs a model. Returns the bytes of the bundle, a file that is usually called model.sig. */
export function signModel(model: SignedModel, key: PrivateKey): Promise<Uint8Array> {
  return signStatement(statementBytes(model), key);
}

/**
 * Verifies the signature and returns what was signed. Compare it with the files: `compareModel`.
 * @param where file name for errors
 * @throws {TrustError} BAD_BUNDLE naming the field; BAD_SIGNATURE
 */
export async function verifyBundle(bytes: Uint8Array, key: PublicKey, where: string): Promise<SignedModel> {
  return readStatement(await verifyStatement(bytes, key, where), where);
}
