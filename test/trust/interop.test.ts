/**
 * What we sign, `model-signing` and python-tuf verify, live; what they refuse is in goldens.test.ts. Needs a Python with both: the one that
 * TRUST_PYTHON names, or python3 (makeGoldens.py says how to install them).
 */
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join, normalize } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeModel } from '../../scripts/models/index.ts';
import { espalier, json } from '../cli/espalier.ts';

const python = process.env.TRUST_PYTHON ?? 'python3';
const havePython = spawnSync(python, ['-c', 'import tuf, model_signing']).status === 0;
if (!havePython) console.log(`skipped: ${python} has no tuf and model_signing (TRUST_PYTHON names another Python)`);

/** Pulls latest.json with python-tuf. argv: state folder, root file, URL of the site */
const TUF_CLIENT = `
import pathlib, sys
from tuf.ngclient import Updater
state, root, url = sys.argv[1:]
updater = Updater(state, url + 'trust/', state, url + 'trust/targets/', bootstrap=pathlib.Path(root).read_bytes())
updater.refresh()
info = updater.get_targetinfo('latest.json')
print(pathlib.Path(updater.download_target(info)).read_text())
`;

/** Verifies a statement of derivation with securesystemslib and in-toto's own types. argv: bundle, public key */
const STATEMENT_READER = `
import base64, json, sys
from google.protobuf import json_format
from in_toto_attestation.v1.statement import Statement
from in_toto_attestation.v1 import statement_pb2
from in_toto_attestation.predicates.provenance.v1 import provenance_pb2
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from securesystemslib.dsse import Envelope
from securesystemslib.signer import SSlibKey
envelope = json.load(open(sys.argv[1]))['dsseEnvelope']
key = SSlibKey.from_crypto(load_pem_public_key(open(sys.argv[2], 'rb').read()))
for signature in envelope['signatures']: signature['keyid'] = key.keyid
Envelope.from_dict(envelope).verify([key], 1)
payload = base64.b64decode(envelope['payload'])
statement = json_format.Parse(payload, statement_pb2.Statement())
Statement.copy_from_pb(statement).validate()
provenance = json_format.ParseDict(json_format.MessageToDict(statement.predicate), provenance_pb2.Provenance())
assert provenance.build_definition.build_type and provenance.run_details.builder.id
print(json.dumps([subject.name for subject in statement.subject]))
`;

describe.skipIf(!havePython)('the original libraries', () => {
  const folder = mkdtempSync(join(tmpdir(), 'espalier-trust-'));
  const at = (...names: string[]) => join(folder, ...names);
  let server: Server;
  let url: string;

  beforeAll(async () => {
    server = createServer((request, response) => {
      try {
        response.end(readFileSync(at('site', normalize(decodeURIComponent(request.url!)))));
      } catch {
        response.writeHead(404).end();
      }
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
  });
  afterAll(() => {
    server.close();
    rmSync(folder, { recursive: true });
  });

  async function run(code: readonly string[]): Promise<string> {
    const child = spawn(python, code, { cwd: folder });
    let [output, errors] = ['', ''];
    child.stdout.on('data', (part) => (output += part));
    child.stderr.on('data', (part) => (errors += part));
    return new Promise((resolve, reject) =>
      child.on('close', (status) => (status === 0 ? resolve(output.trim()) : reject(new Error(errors)))),
    );
  }

  const pack = (version: string) => {
    writeFileSync(at('t.jinja'), `{{ ${version} }}`);
    return json([
      'package',
      'pack',
      at('site'),
      '--name',
      'tiny',
      '--as',
      version,
      '--component',
      `template=${at('t.jinja')}`,
    ]);
  };

  it('follow a package of ours through versions and new keys', async () => {
    await json(['package', 'keys', 'create', at('keys')]);
    await pack('1');
    await json(['package', 'sign', at('site'), '--keys', at('keys')]);
    const root = at('site', 'trust', '1.root.json');
    const fetch = async () => JSON.parse(await run(['-c', TUF_CLIENT, at('state'), root, url])).version;
    mkdirSync(at('state'));
    expect(await fetch()).toBe('1');
    await pack('2');
    await json(['package', 'sign', at('site'), '--keys', at('keys')]);
    expect(await fetch()).toBe('2');
    for (const role of ['timestamp', 'targets', 'root'])
      await json(['package', 'keys', 'rotate', at('keys'), '--site', at('site'), '--role', role]);
    await pack('3');
    await json(['package', 'sign', at('site'), '--keys', at('keys')]);
    await json(['package', 'renew', at('site'), '--keys', at('keys')]);
    expect(await fetch()).toBe('3');
    expect(await json(['package', 'verify', at('site'), '--root', root])).toMatchObject({ version: '3', by: ['tuf'] });
  });

  it('verify what we sign, and sign what we verify', async () => {
    mkdirSync(at('model', 'adapters'), { recursive: true });
    writeFileSync(at('model', 'model.gguf'), 'weights');
    writeFileSync(at('model', 'adapters', 'legal.gguf'), 'adapter');
    const [key, pub, sig] = [at('keys', 'targets.pem'), at('keys', 'targets.pub'), at('model', 'model.sig')];
    await json(['package', 'sign', at('model'), '--key', key]);
    const theirs = ['-m', 'model_signing', 'verify', 'key', at('model'), '--signature', sig, '--public_key', pub];
    expect(await run(theirs)).toContain('succeeded');
    writeFileSync(at('model', 'model.gguf'), 'Weights');
    await expect(run(theirs)).rejects.toThrow();
    const ours = ['package', 'verify', at('model'), '--signature', sig, '--public-key', pub];
    expect((await espalier(ours)).stderr).toContain('changed: model.gguf');
    await run(['-m', 'model_signing', 'sign', 'key', at('model'), '--signature', sig, '--private_key', key]);
    expect(await json(ours)).toMatchObject({ files: 2 });
  });

  it('verify our statements of derivation', async () => {
    const site = at('derived');
    for (const [version, format] of [
      ['1', 'Q8_0'],
      ['2', 'Q4_0'],
    ] as const) {
      const path = at(`${format}.gguf`);
      if (format === 'Q8_0') writeFileSync(path, await makeModel({ architecture: 'llama', format }));
      else await json(['quantize', at('Q8_0.gguf'), path, '--type', format, '--pure', '--allow-requantize']);
      await json(['package', 'pack', site, '--name', 'm', '--as', version, '--component', `base=${path}`]);
    }
    await json(['package', 'keys', 'create', at('own')]);
    await json(['package', 'sign', site, '--keys', at('own')]);
    const pub = at('own', 'targets.pub');
    const { derivations } = (await json(['verify', site, '--derivation', '--public-key', pub])) as {
      derivations: { signed: boolean }[];
    };
    expect(derivations).toMatchObject([{ from: '1', to: '2', signed: true }]);
    const [name] = readdirSync(join(site, 'derivations')) as [string];
    const read = ['-c', STATEMENT_READER, join(site, 'derivations', name), pub];
    expect(JSON.parse(await run(read))).toEqual(['espalier-package.json', 'Q4_0.gguf']);
    const other = ['-c', STATEMENT_READER, join(site, 'derivations', name), at('own', 'root.pub')];
    await expect(run(other)).rejects.toThrow('Verification');
  });
});
