/** The JSON Schema of manifests, for tools that write or check them without Espalier. */
import { z } from 'zod';
import { manifestSchema as schema } from '../formats/packages/manifest.ts';

/** JSON Schema (draft 2020-12) of `espalier-package/1`. `readManifest` also checks sizes, hashes and the canonical form. */
export function manifestSchema(): object {
  return z.toJSONSchema(schema);
}
