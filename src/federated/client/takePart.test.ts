/** What `takePart` and its folder refuse by name. test/browser/federatePage.test.ts runs them in a page. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, it, vi } from 'vitest';
import { checkSettings } from '../server/settings.ts';
import { clientFolder } from './clientFolder.browser.ts';
import { httpConnection } from './httpConnection.ts';
import { takePart } from './takePart.ts';

afterEach(() => vi.unstubAllGlobals());

it('in a worker needs the sensors of its page, because conditions on a battery would be ignored', async () => {
  vi.stubGlobal('WorkerGlobalScope', class {});
  const agree = vi.fn();
  const taking = takePart('http://localhost:1/', { texts: [], agree, when: { charging: true } });
  await expect(taking).rejects.toMatchObject({ code: 'BAD_OPTION', data: { option: 'sensors' } });
  expect(agree).not.toHaveBeenCalled();
});

it('keeps no state in a browser that cannot replace files, or outside the private file system', async () => {
  await expect(clientFolder('state')).rejects.toMatchObject({ code: 'UNSUPPORTED' });
  for (const folder of ['', '/', '../state', 'state/..'])
    await expect(clientFolder(folder), folder).rejects.toMatchObject({
      code: 'BAD_OPTION',
      data: { option: 'folder' },
    });
});

it('stops at once when it is withdrawn while the server does not answer', async () => {
  vi.stubGlobal('fetch', async () => new Response('the server is started again', { status: 503 }));
  const stopping = new AbortController();
  const asked = httpConnection('http://localhost:1/').status('x', stopping.signal);
  // while it pauses
  setTimeout(() => stopping.abort(new Error('enough')), 10);
  const waiting = vi.spyOn(stopping.signal, 'addEventListener');
  await expect(asked).rejects.toThrow('enough');
  expect(waiting).toHaveBeenCalledTimes(1);
});

it('does not wait for a model of its own that is not there', async () => {
  const settings = checkSettings({ rounds: 1, cohort: 3, training: { model: 'model' } });
  vi.stubGlobal('fetch', async () => Response.json(settings));
  const folder = await mkdtemp(join(tmpdir(), 'espalier-own-model-'));
  try {
    const away = vi.fn();
    const options = { texts: ['notes.txt'], folder, model: join(folder, 'absent.gguf'), onEvent: away };
    await expect(takePart('http://localhost:1/', { ...options, agree: () => true })).rejects.toThrow(/absent\.gguf/);
    expect(away).not.toHaveBeenCalled();
  } finally {
    await rm(folder, { recursive: true });
  }
});
