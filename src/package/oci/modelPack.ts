/**
 * A package as an OCI artifact of the ModelPack specification: each component's file is a layer, uncompressed and under its own hash, beside
 * espalier-package.json (our manifest) and model.sig (its signature). Other tools extract a folder of these files.
 */
import { z } from 'zod';
import { parseBoundedJson } from '../../formats/packages/boundedJson.ts';
import { hashOf } from '../../formats/packages/hash.ts';
import type { Manifest } from '../../formats/packages/manifest.ts';
import { PackageError } from '../../formats/packages/packageError.ts';
import { formatByName } from '../../tensor/formats.ts';
import { OCI_MANIFEST } from './ociStore.ts';

const ARTIFACT_TYPE = 'application/vnd.cncf.model.manifest.v1+json';
const CONFIG_TYPE = 'application/vnd.cncf.model.config.v1+json';
const WEIGHT = 'application/vnd.cncf.model.weight.v1.raw';
const WEIGHT_CONFIG = 'application/vnd.cncf.model.weight.config.v1.raw';
const DOCUMENT = 'application/vnd.cncf.model.doc.v1.raw';
/** A layer has two: itself and its annotations. */
const MAX_OBJECTS = 50_000;
const FILE_PATH = 'org.cncf.model.filepath';

const digest = z.string().regex(/^sha256:[0-9a-f]{64}$/);
const descriptor = z.looseObject({
  mediaType: z.string(),
  digest,
  size: z.number().int().nonnegative(),
  annotations: z.record(z.string(), z.string()).optional(),
});
const ociManifest = z.looseObject({
  schemaVersion: z.literal(2),
  artifactType: z.string().optional(),
  config: descriptor,
  layers: z.array(descriptor).max(10_010),
});

export interface LayerFile {
  readonly path: string;
  readonly sha256: string;
  readonly bytes: number;
  readonly mediaType: string;
}

export interface Artifact {
  readonly config: Uint8Array;
  readonly manifest: Uint8Array;
}

/** Media type of a component's layer. */
export function layerTypeOf(role: string, fileName: string): string {
  if (role === 'card') return DOCUMENT;
  const isConfig = role === 'tokenizer' || role === 'template' || /\.(json|jinja|txt)$/.test(fileName);
  return isConfig ? WEIGHT_CONFIG : WEIGHT;
}

export const metadataLayer = { manifest: WEIGHT_CONFIG, signature: DOCUMENT } as const;

/** @param files in the order of the layers */
export function makeArtifact(value: Manifest, files: readonly LayerFile[]): Artifact {
  const { name, version, created } = value;
  const config = encode({
    descriptor: { name, version, ...(created !== undefined && { createdAt: created }) },
    config: { ...technicalMetadata(value) },
    modelfs: { type: 'layers', diffIds: files.map(({ sha256 }) => `sha256:${sha256}`) },
  });
  const manifest = encode({
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    artifactType: ARTIFACT_TYPE,
    config: { mediaType: CONFIG_TYPE, digest: `sha256:${hashOf(config)}`, size: config.length },
    layers: files.map(({ path, sha256, bytes, mediaType }) => ({
      mediaType,
      digest: `sha256:${sha256}`,
      size: bytes,
      annotations: {
        [FILE_PATH]: path,
        // oras names the files that it writes by it
        'org.opencontainers.image.title': path,
        // a regular file ('0' of tar) of a constant time, so that equal packages have equal manifests
        'org.cncf.model.file.metadata+json': JSON.stringify({
          name: path,
          mode: 0o644,
          uid: 0,
          gid: 0,
          size: bytes,
          mtime: '1970-01-01T00:00:00Z',
          typeflag: 48,
        }),
        'org.cncf.model.file.mediatype.untested': 'false',
      },
    })),
    annotations: {
      'org.opencontainers.image.title': name,
      'org.opencontainers.image.version': version,
      ...(created !== undefined && { 'org.opencontainers.image.created': created }),
    },
  });
  return { config, manifest };
}

/** Architecture-independent facts that the base's tensors tell. */
function technicalMetadata({ components }: Manifest) {
  const base = components.find(({ role }) => role === 'base');
  if (!base?.sections.some((section) => 'type' in section && section.type !== undefined)) return {};
  const counts = new Map<string, number>();
  let parameters = 0;
  for (const section of base.sections) {
    if (!('type' in section) || section.type === undefined) continue;
    const weights = (section.shape ?? []).reduce((product, size) => product * size, 1);
    parameters += weights;
    counts.set(section.type, (counts.get(section.type) ?? 0) + weights);
  }
  const [main] = [...counts].sort(([, a], [, b]) => b - a)[0];
  const isFloat = formatByName(main).blockSize === 1;
  const precision = { F32: 'float32', F16: 'float16', BF16: 'bfloat16' }[main];
  return {
    format: 'gguf',
    paramSize: scaled(parameters),
    ...(isFloat ? precision && { precision } : { quantization: main }),
  };
}

/** 3900000 → '3.9M' */
function scaled(count: number): string {
  const units = ['', 'K', 'M', 'B', 'T'];
  const power = Math.min(4, Math.max(1, Math.floor(Math.log10(Math.max(1, count)) / 3)));
  return `${(count / 1000 ** power).toFixed(1).replace(/\.0$/, '')}${units[power]}`;
}

/** The files of a ModelPack artifact. @throws {PackageError} BAD_PUBLICATION naming the field or the layer */
export function readArtifact(bytes: Uint8Array, where: string): LayerFile[] {
  const fail = (problem: string): never => {
    throw new PackageError('BAD_PUBLICATION', `${where}: ${problem}`, { where });
  };
  let value: unknown;
  try {
    value = parseBoundedJson(bytes, MAX_OBJECTS);
  } catch {
    fail('its manifest is not JSON');
  }
  const checked = ociManifest.safeParse(value);
  if (!checked.success) {
    const [{ path, message }] = checked.error.issues as [z.core.$ZodIssue];
    return fail(`is no OCI image manifest: ${path.join('.')}: ${message}`);
  }
  const { artifactType, config, layers } = checked.data;
  if (artifactType !== ARTIFACT_TYPE && config.mediaType !== CONFIG_TYPE)
    fail(`has the artifact type ${artifactType ?? config.mediaType}, expected ${ARTIFACT_TYPE}`);
  return layers.map(({ mediaType, digest, size, annotations }) => {
    const path = annotations?.[FILE_PATH] ?? annotations?.['org.opencontainers.image.title'];
    if (path === undefined) return fail(`layer ${digest} names no file`);
    const isInside = path.split('/').every((part) => part !== '' && part !== '.' && part !== '..');
    if (!isInside || /[\\:\0]/.test(path))
      fail(`layer ${digest} has the path ${JSON.stringify(path)}, which is not inside a folder`);
    return { path, sha256: digest.slice('sha256:'.length), bytes: size, mediaType };
  });
}

function encode(value: object): Uint8Array {
  return new TextEncoder().encode(JSON.stringify(value));
}
