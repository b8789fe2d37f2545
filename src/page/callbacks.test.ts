/** Callbacks of a page that throw, or come after the end of their call: the worker's call ends, too. */
import { expect, it } from 'vitest';
import { Connection } from './connection.ts';
import { Host } from './host.ts';

interface Options {
  readonly signal?: AbortSignal;
  readonly onEvent: (event: string) => unknown;
}

/** A page and its worker, whose only function is `run`. */
function connected(run: (options: Options) => Promise<unknown>): Connection {
  const later = (deliver: () => void) => void setTimeout(deliver);
  const connection: Connection = new Connection(
    { post: (message) => later(() => host.receive(structuredClone(message))), close: () => {} },
    undefined as never,
  );
  const host: Host = new Host(
    async () => ({ run }),
    (message) => later(() => connection.receive(structuredClone(message))),
  );
  return connection;
}

const enough = new RangeError('the visitor had enough');

it('ends the call in the worker before the page hears of it, with the error of the callback', async () => {
  const done: string[] = [];
  const connection = connected(async ({ signal, onEvent }) => {
    onEvent('begun');
    await new Promise((resolve) => signal!.addEventListener('abort', resolve));
    // as a client leaves its round, and tells so
    onEvent('left');
    done.push(String(signal!.reason));
    throw signal!.reason;
  });
  const onEvent = () => {
    throw enough;
  };
  const options = { signal: new AbortController().signal, onEvent };
  await expect(connection.callFunction('run', [options])).rejects.toBe(enough);
  expect(done).toEqual(['RangeError: the visitor had enough']);
});

it('lets the page abort a call whose callback has thrown', async () => {
  const reasons: string[] = [];
  const controller = new AbortController();
  const connection = connected(async ({ signal, onEvent }) => {
    onEvent('begun');
    await new Promise((resolve) => signal!.addEventListener('abort', resolve));
    reasons.push(String(signal!.reason));
    // goes on until the page says so once more
    while (!controller.signal.aborted) await new Promise((resolve) => setTimeout(resolve));
    return 'whatever';
  });
  const onEvent = () => {
    setTimeout(() => controller.abort(), 20);
    throw enough;
  };
  await expect(connection.callFunction('run', [{ signal: controller.signal, onEvent }])).rejects.toBe(enough);
  expect(reasons).toHaveLength(1);
});

it('rejects in the worker once its call has ended', async () => {
  let tell: Options['onEvent'] | undefined;
  const connection = connected(async ({ signal, onEvent }) => {
    if (signal) return new Promise(() => {});
    tell = onEvent;
    return onEvent('begun');
  });
  const onEvent = (event: string) => `${event} there`;
  // another call, which keeps the worker
  void connection.callFunction('run', [{ signal: new AbortController().signal, onEvent }]);
  expect(await connection.callFunction('run', [{ onEvent }])).toBe('begun there');
  await expect(tell!('late')).rejects.toMatchObject({ code: 'CALL_ENDED' });
});
