/** `espalier package publish`: copies a published folder to an HTTP server, or its newest version to an OCI registry. */
import { createReadStream } from 'node:fs';
import { stat } from 'node:fs/promises';
import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { join, relative, sep } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { Command, InvalidArgumentError } from 'commander';
import { SourceError } from '../../../index.ts';
import { openOci, openRemote, pushPackage } from '../../../package/index.ts';
import { interruptSignal } from '../../interrupt.ts';
import { bytesForPeople, print, printJson } from '../../output.ts';
import { progressBar } from '../../progressBar.ts';
import { OCI_TARGET } from './import.ts';
import { filesBelow } from './modelFolder.ts';

interface PublishValues {
  readonly header?: Readonly<Record<string, string>>;
  readonly json?: boolean;
}

export function publishCommand(): Command {
  return new Command('publish')
    .alias('push')
    .description(
      'Copy a published package to a server: a whole folder by HTTP, or its newest version to an OCI registry.',
    )
    .argument('<location>', 'published folder; for OCI a URL, too')
    .argument(
      '<target>',
      `URL of a folder on a server that takes PUT requests; ${OCI_TARGET} (user and password: ESPALIER_REGISTRY_USER, ESPALIER_REGISTRY_PASSWORD)`,
    )
    .option('--header <name: value>', 'header of the requests to a URL, such as Authorization; may be repeated', header)
    .option('--json', 'print one JSON object')
    .action(publish);
}

function header(text: string, before: Readonly<Record<string, string>> = {}): Readonly<Record<string, string>> {
  const [, name, value] = /^([^:\s]+):\s*(.+)$/.exec(text) ?? [];
  if (name === undefined || value === undefined) throw new InvalidArgumentError('Expected NAME: VALUE.');
  return { ...before, [name]: value };
}

async function publish(location: string, target: string, values: PublishValues): Promise<void> {
  const signal = interruptSignal();
  const progress = progressBar();
  const { onProgress } = progress;
  try {
    if (/^https?:/i.test(target)) {
      const sent = await upload(location, new URL(target.replace(/\/?$/, '/')), { ...values, onProgress, signal });
      progress.stop();
      if (values.json) printJson({ target, ...sent });
      else print(`${target}: ${sent.files} files, ${bytesForPeople(sent.sentBytes)} sent`);
      return;
    }
    const pushed = await pushPackage(await openRemote(location), await openOci(target, { signal }), {
      onProgress,
      signal,
    });
    progress.stop();
    if (values.json) return printJson(pushed);
    const { name, version, sentBytes, digest } = pushed;
    print(`${name} ${version}: ${bytesForPeople(sentBytes)} sent, ${target}@sha256:${digest}`);
  } finally {
    progress.stop();
  }
}

interface UploadOptions {
  readonly header?: Readonly<Record<string, string>>;
  readonly onProgress: ReturnType<typeof progressBar>['onProgress'];
  readonly signal: AbortSignal;
}

/** Files that are named by their hash, and updates between two of them. Signatures may be those of a new key. */
const NEVER_CHANGED = /^(files|manifests|updates|trust\/targets)\//;
/** Files that are overwritten by every version. They are sent last, so that what they name is there. */
const POINTERS = /^(latest\.json|trust\/timestamp\.json)$/;

async function upload(folder: string, base: URL, { header = {}, onProgress, signal }: UploadOptions) {
  const paths = (await filesBelow(folder)).map((path) => relative(folder, path).split(sep).join('/'));
  if (!paths.includes('latest.json'))
    throw new SourceError(folder, 'has no latest.json: publish with `espalier package pack` first');
  const order = [
    ...paths.filter((path) => !POINTERS.test(path)),
    ...paths
      .filter((path) => POINTERS.test(path))
      .sort()
      .reverse(),
  ];
  let [sentBytes, files] = [0, 0];
  for (const [done, path] of order.entries()) {
    const { size } = await stat(join(folder, path));
    const url = new URL(path.split('/').map(encodeURIComponent).join('/'), base);
    onProgress({ stage: 'push', done, total: order.length, unit: 'pieces', item: path });
    const isThere = NEVER_CHANGED.test(path) && (await send(url, 'HEAD', header, signal)) === size;
    if (isThere) continue;
    await send(url, 'PUT', header, signal, { path: join(folder, path), size });
    sentBytes += size;
    files++;
  }
  return { files, sentBytes };
}

/** @returns the length that a HEAD request finds; undefined if there is no such file @throws {SourceError} */
function send(
  url: URL,
  method: 'HEAD' | 'PUT',
  headers: Readonly<Record<string, string>>,
  signal: AbortSignal,
  file?: { readonly path: string; readonly size: number },
): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const all = {
      ...headers,
      ...(file && { 'content-length': file.size, 'content-type': 'application/octet-stream' }),
    };
    const request = (url.protocol === 'http:' ? httpRequest : httpsRequest)(url, { method, headers: all, signal });
    const fail = (problem: string, data = {}) => reject(new SourceError(url.href, problem, data));
    request.on('error', (error) =>
      signal.aborted ? reject(signal.reason) : fail(`cannot be reached: ${error.message}`),
    );
    request.once('response', (response) => {
      response.resume();
      const { statusCode: status = 0 } = response;
      if (method === 'HEAD') resolve(status === 200 ? Number(response.headers['content-length']) : undefined);
      else if (status >= 200 && status < 300) resolve(undefined);
      else {
        fail(`answers ${method} with status ${status}`, { status });
        // a server that refuses may not read the rest
        request.destroy();
      }
    });
    if (!file) request.end();
    else {
      const content = createReadStream(file.path).on('error', (error) => fail(`cannot be sent: ${error.message}`));
      // an error of the request is reported above
      pipeline(content, request).catch(() => {});
    }
  });
}
