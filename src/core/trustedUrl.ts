/** Script URLs for pages with `require-trusted-types-for 'script'`, which may have to allow the policy 'espalier' by name. */
interface Policy {
  createScriptURL(url: string): string;
}

interface TrustedTypes {
  createPolicy(name: string, rules: Policy): Policy;
}

let policy: Policy | undefined;

/** @throws {TypeError} if the page allows no such policy */
export function trustedUrl(url: string): string {
  const { trustedTypes } = globalThis as { trustedTypes?: TrustedTypes };
  if (!trustedTypes) return url;
  policy ??= trustedTypes.createPolicy('espalier', { createScriptURL: (own) => own });
  return policy.createScriptURL(url);
}
