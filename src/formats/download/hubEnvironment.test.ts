/** What configures Hugging Face's tools, and what a hub's refusals mean. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Fault, type HubServer, startHub } from '../../../test/hubServer.ts';
import { type EspalierError, OptionError, SourceError } from '../../core/errors.ts';
import type { Notice } from '../../core/progress.ts';
import { type HubOptions, hubNameOf } from './hub.ts';
import { hubCacheFolder, hubEndpoint, hubToken } from './hubEnvironment.ts';
import { locateOnHub } from './locateOnHub.ts';

const COMMIT = '3'.repeat(40);
const bytes = Uint8Array.from({ length: 1000 }, (_, i) => i % 251);
const names = /^(HF_|HUGGING|TRANSFORMERS_OFFLINE|XDG_CACHE_HOME|ESPALIER_CACHE)/;
let before: NodeJS.ProcessEnv;
let home: string;
let hub: HubServer;

beforeEach(async () => {
  before = { ...process.env };
  for (const name of Object.keys(process.env)) if (names.test(name)) delete process.env[name];
  home = await mkdtemp(join(tmpdir(), 'espalier-hf-'));
  process.env.HF_HOME = home;
  hub = await startHub();
  process.env.HF_ENDPOINT = hub.url;
  hub.publish(COMMIT, { 'x.gguf': bytes });
});
afterEach(async () => {
  process.env = before;
  await hub.close();
  await rm(home, { recursive: true });
});

async function download(options: HubOptions = {}): Promise<void> {
  const { folder, file } = locateOnHub('hf:owner/repo/x.gguf', {
    ...options,
    cache: { retry: { tries: 1 }, ...options.cache },
  });
  const source = await folder.open(file!);
  if (!source) throw new Error('missing');
  await source.read(0, source.size, new Uint8Array(source.size));
  await source.finish?.();
  await source.close();
}

const failure = (work: Promise<unknown>) =>
  work.then(
    () => expect.fail('it should have failed'),
    (error: EspalierError) => error,
  );

describe('the cache', () => {
  it.each([
    [{ HF_HUB_CACHE: '/a', HUGGINGFACE_HUB_CACHE: '/b', HF_HOME: '/c' }, '/a'],
    [{ HUGGINGFACE_HUB_CACHE: '/b', HF_HOME: '/c' }, '/b'],
    [{ HF_HOME: '/c' }, '/c/hub'],
    [{ HF_HOME: '', XDG_CACHE_HOME: '/d' }, '/d/huggingface/hub'],
    [{ HF_HOME: '$SOMEWHERE/x', SOMEWHERE: '/e' }, '/e/x/hub'],
  ])('is where %j says', (variables, expected) => {
    Object.assign(process.env, variables);
    expect(hubCacheFolder()).toBe(expected);
    delete process.env.SOMEWHERE;
  });
});

describe('the token', () => {
  it.each([
    [{ HF_TOKEN: 'one', HUGGING_FACE_HUB_TOKEN: 'two' }, undefined, 'one'],
    [{ HUGGING_FACE_HUB_TOKEN: 'two' }, undefined, 'two'],
    [{}, 'stored\n', 'stored'],
    [{ HF_TOKEN: ' spaces \n' }, undefined, 'spaces'],
    [{ HF_TOKEN: 'one', HF_HUB_DISABLE_IMPLICIT_TOKEN: '1' }, 'stored', undefined],
    [{}, undefined, undefined],
  ])('of %j and the file %j is %j', async (variables, file, expected) => {
    Object.assign(process.env, variables);
    if (file) await writeFile(join(home, 'token'), file);
    expect(hubToken()).toBe(expected);
  });

  it('is read from HF_TOKEN_PATH, and an option goes before all of them', async () => {
    await mkdir(join(home, 'elsewhere'));
    process.env.HF_TOKEN_PATH = join(home, 'elsewhere/t');
    await writeFile(process.env.HF_TOKEN_PATH, 'there');
    expect(hubToken()).toBe('there');
    expect(hubToken('given')).toBe('given');
  });

  it('with characters that HTTP cannot carry is refused by the name of the variable, without showing it', async () => {
    process.env.HF_TOKEN = 'hf_geheim„x“';
    const error = await failure(download());
    expect(error).toBeInstanceOf(OptionError);
    expect(error.message).toMatch(/^HF_TOKEN is a token with characters/);
    expect(error.message + JSON.stringify(error.data)).not.toContain('geheim');
    expect(hub.requests).toEqual([]);
  });
});

describe('the endpoint', () => {
  it.each(['hf-mirror.com', 'localhost:8080', 'ftp://hub', '//hub'])(
    '%s is refused by the name of the variable',
    (value) => {
      process.env.HF_ENDPOINT = value;
      expect(() => hubEndpoint()).toThrow(`HF_ENDPOINT is ${value}, expected a URL with its scheme`);
      expect(() => hubEndpoint(value)).toThrow(`cache.endpoint is ${value}`);
    },
  );

  it('may have a path', () => {
    expect(hubEndpoint('https://mirror.example/hf/').pathname).toBe('/hf/');
  });
});

describe('offline', () => {
  it.each(['HF_HUB_OFFLINE', 'TRANSFORMERS_OFFLINE'])('%s: what is there is used, nothing is asked', async (name) => {
    await download();
    process.env[name] = '1';
    hub.requests.length = 0;
    await download();
    expect(hub.requests).toEqual([]);
    const { folder } = locateOnHub('hf:owner/other');
    expect((await failure(folder.open('config.json'))).message).toMatch('HF_HUB_OFFLINE forbids to download it');
  });
});

describe('a refusal', () => {
  const gated = {
    'x-error-code': 'GatedRepo',
    'x-error-message': 'Access to model owner/repo is restricted and you are not in the authorized list.',
  };
  const cases: [string, string | undefined, Fault, RegExp][] = [
    ['a missing token', undefined, { status: 401 }, /401: access needs a token \(HF_TOKEN/],
    [
      'an expired token',
      'old',
      { status: 401, headers: { 'x-error-message': 'Invalid credentials in Authorization header' } },
      /401: the token was refused: it is wrong, expired or revoked; the server says: Invalid credentials/,
    ],
    [
      'a gated repository without a token',
      undefined,
      { status: 401, headers: gated },
      /gated: accept its terms on its page, then give a token.*; the server says: Access to model/,
    ],
    [
      'a gated repository with a token',
      'mine',
      { status: 403, headers: gated },
      /gated, and the owner of this token has no access/,
    ],
    [
      'a repository that is not there',
      undefined,
      { status: 401, headers: { 'x-error-code': 'RepoNotFound' } },
      /no such repository, or it is private: private ones need a token/,
    ],
    [
      'a revision that is not there',
      undefined,
      { status: 404, headers: { 'x-error-code': 'RevisionNotFound' } },
      /no such revision/,
    ],
    [
      'too many requests',
      undefined,
      { status: 429, headers: { 'retry-after': '7' } },
      /429: too many requests; it asks to wait 7 s/,
    ],
    [
      'the rate limit of the hub',
      undefined,
      { status: 429, headers: { ratelimit: '"api";r=0;t=33' } },
      /it asks to wait 33 s/,
    ],
  ];
  it.each(cases)('for %s says what it is', async (_, token, fault, message) => {
    if (token) process.env.HF_TOKEN = token;
    hub.refusal = () => fault;
    const error = await failure(download());
    expect(error).toBeInstanceOf(SourceError);
    expect(error.message).toMatch(message);
    expect(error.data.status).toBe(fault.status);
  });

  it('does not hide a stored copy, and is told', async () => {
    await download();
    hub.refusal = () => ({ status: 401, headers: { 'x-error-message': 'expired' } });
    const notices: Notice[] = [];
    await download({ onNotice: (notice) => notices.push(notice) });
    expect(notices).toMatchObject([{ code: 'OFFLINE', message: expect.stringMatching('expired') }]);
  });

  it('shows a server’s message on one line, and not all of it', async () => {
    hub.refusal = () => ({ status: 403, headers: { 'x-error-message': `\ta\x9bb ${'x'.repeat(5000)}` } });
    const { message } = await failure(download());
    expect(message.length).toBeLessThan(600);
  });
});

it.each([
  ['https://huggingface.co/owner/repo', 'hf:owner/repo'],
  ['https://huggingface.co/owner/repo/blob/main/x.gguf', 'hf:owner/repo@main/x.gguf'],
  [
    'https://hf.co/owner/repo/resolve/refs%2Fpr%2F1/deep/x.gguf?download=true',
    'hf:owner/repo@refs%2Fpr%2F1/deep/x.gguf',
  ],
  ['https://huggingface.co/datasets/owner/repo', undefined],
  ['https://huggingface.co/owner', undefined],
  ['https://example.com/owner/repo', undefined],
])('%s is %s', (url, expected) => {
  expect(hubNameOf(new URL(url))).toBe(expected);
});
