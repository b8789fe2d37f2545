/**
 * The manifest of a package lists its components, sections and pieces with their hashes. The canonical JSON is hashed and
 * signed. Its hash, called a generation, identifies the version.
 *
 * A component is a file. The file is a view: sections one after another, each a GGUF header, a tensor, other bytes, or zeros that need no
 * storage. A section's bytes are cut into pieces, the unit of storage and transfer.
 */
import { z } from 'zod';
import { formatByName } from '../../tensor/formats.ts';
import { firstProblem, listOf, parseBoundedJson, shortList } from './boundedJson.ts';
import { canonicalJson, type Json } from './canonicalJson.ts';
import { hashOf } from './hash.ts';
import { PackageError } from './packageError.ts';

/** Maximum bytes of a piece. Larger tensors are split into pieces of whole blocks. */
export const MAX_PIECE_BYTES = 4 * 1024 * 1024;
/** Maximum bytes of a manifest: about 500,000 pieces, 2 TB. */
export const MAX_MANIFEST_BYTES = 48 * 1024 * 1024;
const MAX_COMPONENTS = 10_000;
/** A tensor of one piece takes 160 bytes and has five. */
const MAX_OBJECTS = 4_000_000;

const hash = z.string().regex(/^[0-9a-f]{64}$/, 'expected a SHA-256 in lower-case hexadecimal');
const count = z.number().int().nonnegative().max(Number.MAX_SAFE_INTEGER);
/** One name, never a path. */
const fileName = z
  .string()
  .max(200)
  .regex(/^\w[\w.+-]*$/, 'expected a file name of letters, digits and . _ + -, not a path');

// fields of what a manifest has thousands of are listed in canonical order, which then need no sorting

const piece = z.strictObject({ bytes: count.min(1).max(MAX_PIECE_BYTES), sha256: hash });

const storedSection = z.strictObject({
  /** Name of the tensor; 'header' or 'bytes' without `type`. */
  name: z.string().max(1000),
  pieces: z.array(piece),
  /** Slowest dimension first. */
  shape: shortList(count, 8).optional(),
  /** Block format of a tensor, such as 'Q4_0'. */
  type: z.string().max(20).optional(),
});
const zeros = z.strictObject({ zeros: count.min(1) });
const section = z.union([storedSection, zeros]);

const requirements = z.strictObject({
  /** Lowest version of Espalier, 'major.minor.patch'. */
  engine: z
    .string()
    .regex(/^\d+\.\d+\.\d+$/, 'expected major.minor.patch')
    .optional(),
  memoryBytes: count.optional(),
  /** Classes of target devices, e.g. 'phone'. */
  devices: shortList(z.string().max(100), 100).optional(),
});

const check = z.union([
  /** The mean negative log-likelihood of the text, in nats per token, must be at most `maxLoss`. */
  z.strictObject({ text: z.string().min(1).max(100_000), maxLoss: z.number().positive() }),
  /** The greedy continuation of the prompt must contain `includes`. */
  z.strictObject({
    prompt: z.string().min(1).max(100_000),
    includes: z.string().min(1).max(10_000),
    /** Maximum tokens of the continuation; default: 64. */
    tokens: count.min(1).max(10_000).optional(),
  }),
]);

const component = z.strictObject({
  /**
   * 'base', 'tokenizer', 'template', 'draft', 'card', or 'adapter/NAME', 'head/NAME', 'experts/NAME'; 'base/NAME' for further files of the
   * base: parts of a split GGUF, shards and config.json of a Hugging Face folder.
   */
  role: z
    .string()
    .regex(
      /^(base|tokenizer|template|draft|card|(base|adapter|head|experts)\/\w[\w.-]*)$/,
      'expected a role of the list',
    ),
  file: z.strictObject({ name: fileName, bytes: count, sha256: hash }),
  requires: requirements.optional(),
  /** Tests that this component must pass on the device. */
  checks: shortList(check, 1000).optional(),
  sections: z.array(section),
});

const manifest = z.strictObject({
  format: z.literal('espalier-package/1'),
  name: z.string().min(1).max(200),
  version: z.string().min(1).max(100),
  /** ISO 8601. Absent for reproducible packages. */
  created: z.string().max(40).optional(),
  requires: requirements.optional(),
  components: z.array(component).min(1).max(MAX_COMPONENTS),
});

/** For `espalier package schema`. */
export { manifest as manifestSchema };

/** The schemas without the entries of their long lists. */
const parts = {
  manifest: manifest.extend({ components: listOf(1, MAX_COMPONENTS) }),
  component: component.extend({ sections: listOf(0, MAX_OBJECTS) }),
  storedSection: storedSection.extend({ pieces: listOf(0, MAX_OBJECTS) }),
};

export type Manifest = z.infer<typeof manifest>;
export type Component = z.infer<typeof component>;
export type Section = z.infer<typeof section>;
export type Check = z.infer<typeof check>;
export type Piece = z.infer<typeof piece>;
/** A section with stored bytes. */
export type StoredSection = Exclude<Section, { zeros: number }>;

/** Returns the bytes that are hashed, signed and stored. */
export function manifestBytes(value: Manifest): Uint8Array {
  return new TextEncoder().encode(canonicalJson(value as Json));
}

/** Returns the generation: SHA-256 of the manifest. */
export function generationOf(value: Manifest): string {
  return hashOf(manifestBytes(value));
}

/**
 * @param generation expected hash @param where file or URL, for errors
 * @throws {PackageError} BAD_MANIFEST naming the field, if the manifest is invalid, not canonical, or has another hash
 */
export function readManifest(bytes: Uint8Array, where: string, generation?: string): Manifest {
  const fail = (problem: string, data = {}): never => {
    throw new PackageError('BAD_MANIFEST', `${where}: ${problem}`, { where, ...data });
  };
  if (bytes.length > MAX_MANIFEST_BYTES)
    fail(`has ${bytes.length} bytes, expected at most ${MAX_MANIFEST_BYTES} for a manifest`);
  const found = hashOf(bytes);
  if (generation !== undefined && found !== generation)
    fail(`has the SHA-256 ${found}, expected ${generation}: it is damaged or another manifest`, {
      expected: generation,
      found,
    });
  let value: unknown;
  try {
    value = parseBoundedJson(bytes, MAX_OBJECTS);
  } catch (error) {
    fail(`is not JSON: ${(error as Error).message}`);
  }
  const problem = problemOf(value);
  if (problem) fail(`${problem.field || 'the manifest'}: ${problem.message}`, { field: problem.field });
  const read = value as Manifest;
  if (canonicalJson(read as Json) !== new TextDecoder().decode(bytes)) fail('is not in canonical form (RFC 8785)');
  const [roles, fileNames] = [new Set<string>(), new Set<string>()];
  for (const { role, file, sections } of read.components) {
    if (roles.has(role) || fileNames.has(file.name))
      fail(`component ${role} shares its role or its file name ${file.name} with another`, { role });
    roles.add(role);
    fileNames.add(file.name);
    const bytes = sections.reduce((sum, section) => sum + sectionBytes(section), 0);
    if (bytes !== file.bytes)
      fail(`component ${role} has sections of ${bytes} bytes, expected ${file.bytes}`, { role });
    for (const section of sections) checkSection(section, role, fail);
  }
  return read;
}

/** The first problem of a value that should be a manifest. */
function problemOf(value: unknown): ReturnType<typeof firstProblem> {
  const problem = firstProblem(parts.manifest, value);
  if (problem) return problem;
  for (const [i, component] of (value as Manifest).components.entries()) {
    const problem = firstProblem(parts.component, component, ['components', i]);
    if (problem) return problem;
    for (const [j, each] of component.sections.entries()) {
      const problem = sectionProblem(each, ['components', i, 'sections', j]);
      if (problem) return problem;
    }
  }
  return undefined;
}

function sectionProblem(value: Section, path: readonly PropertyKey[]): ReturnType<typeof firstProblem> {
  // not `union`: to try the other kind takes memory for each tensor
  if (typeof value === 'object' && value !== null && 'zeros' in value) return firstProblem(zeros, value, path);
  const problem = firstProblem(parts.storedSection, value, path);
  if (problem) return problem;
  for (const [i, each] of value.pieces.entries()) {
    const problem = firstProblem(piece, each);
    if (problem) return { ...problem, field: [...path, 'pieces', i, problem.field].join('.') };
  }
  return undefined;
}

function checkSection(section: Section, role: string, fail: (problem: string, data?: object) => never): void {
  if ('zeros' in section || section.type === undefined) return;
  const { blockBytes, blockSize } = formatByName(section.type);
  const where = `component ${role}, tensor ${section.name}`;
  const broken = section.pieces.find(({ bytes }) => bytes % blockBytes !== 0);
  if (broken) fail(`${where}: a piece has ${broken.bytes} bytes, expected a multiple of ${blockBytes}`, { role });
  if (!section.shape) return;
  // recipes find slices and rows by the shape
  const expected = (section.shape.reduce((product, size) => product * size, 1) / blockSize) * blockBytes;
  const found = sectionBytes(section);
  if (found !== expected)
    fail(`${where}: has ${found} bytes, expected ${expected} for [${section.shape.join(', ')}] in ${section.type}`, {
      role,
    });
}

/** True for a component that every installation has. The others are fetched where they are wanted. */
export function isEssential(role: string): boolean {
  return /^(base|tokenizer|template)(\/|$)/.test(role);
}

/** A manifest with some of its components. It has another hash, so it is only for planning and reading. */
export function withRoles(manifest: Manifest, roles: ReadonlySet<string>): Manifest {
  return { ...manifest, components: manifest.components.filter(({ role }) => roles.has(role)) };
}

export function sectionBytes(section: Section): number {
  return 'zeros' in section ? section.zeros : section.pieces.reduce((sum, { bytes }) => sum + bytes, 0);
}

/** Yields every piece of a manifest with its section and position. The same piece may occur several times. */
export function* piecesOf(value: Manifest): Generator<PlacedPiece> {
  for (const component of value.components) {
    let offset = 0;
    for (const section of component.sections) {
      if ('zeros' in section) {
        offset += section.zeros;
        continue;
      }
      let index = 0;
      for (const piece of section.pieces) {
        yield { component, section, index: index++, piece, offset };
        offset += piece.bytes;
      }
    }
  }
}

/** Bytes of the pieces of a manifest by their hash. */
export function pieceSizes(value: Manifest): Map<string, number> {
  return new Map([...piecesOf(value)].map(({ piece }) => [piece.sha256, piece.bytes]));
}

export interface PlacedPiece {
  readonly component: Component;
  readonly section: StoredSection;
  /** Index of the piece in its section. */
  readonly index: number;
  readonly piece: Piece;
  /** Offset of the piece in its file, in bytes. */
  readonly offset: number;
}
