/** Objects of a page and its worker: each worker has its own, and what the page drops ends in the worker, too. */
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, it } from 'vitest';
import { Connection } from './connection.ts';
import { Host } from './host.ts';

interface Stream extends AsyncIterator<number> {
  readonly result: Promise<string>;
}

interface Model {
  generate(): Stream;
}

setFlagsFromString('--expose-gc');
const collect: () => void = runInNewContext('gc');

/** A page and its worker. */
function connected(functions: Record<string, (...args: never[]) => Promise<unknown>>): Connection {
  const later = (deliver: () => void) => void setTimeout(deliver);
  const connection: Connection = new Connection(
    { post: (message) => later(() => host.receive(structuredClone(message))), close: () => {} },
    undefined as never,
  );
  const host: Host = new Host(
    async () => functions,
    (message) => later(() => connection.receive(structuredClone(message))),
  );
  return connection;
}

/** A model whose generations yield numbers until they are ended. */
function counting(result: Promise<string> = Promise.resolve('')) {
  const ended: string[] = [];
  async function* numbers() {
    try {
      for (let i = 0; ; i++) yield i;
    } finally {
      ended.push('ended');
    }
  }
  // a plain object, because a generator would be cloned
  const generate = () => {
    const iterator = numbers();
    const members = { next: () => iterator.next(), return: () => iterator.return(), result };
    return { ...members, [Symbol.asyncIterator]: () => iterator };
  };
  const load = async () => ({ generate });
  return { ended, connection: connected({ load }) };
}

const tick = () => new Promise((resolve) => setTimeout(resolve, 5));

it('refuses an object of another worker, and names the option', async () => {
  const load = async () => ({ generate() {}, evaluate() {} });
  const evaluateText = async (model: unknown, { reference }: { reference: unknown }) => model === reference;
  const here = connected({ load, evaluateText });
  const model = (await here.callFunction('load', [])) as { generate(options: object): unknown };
  const reference = await connected({ load }).callFunction('load', []);
  expect(await here.callFunction('evaluateText', [model, { reference: model }])).toBe(true);
  const refused = {
    code: 'BAD_OPTION',
    data: expect.objectContaining({ option: 'reference' }),
    message: expect.stringMatching(/one worker/),
  };
  await expect(here.callFunction('evaluateText', [model, { reference }])).rejects.toMatchObject(refused);
  // a method that returns an object at once throws at once
  expect(() => model.generate({ reference })).toThrow(expect.objectContaining(refused));
});

it('closes a worker whose first call is refused', async () => {
  const load = async () => ({ generate() {} });
  const model = await connected({ load }).callFunction('load', []);
  const fresh = connected({ load });
  await expect(fresh.callFunction('load', ['', { model }])).rejects.toMatchObject({ code: 'BAD_OPTION' });
  await expect(fresh.callFunction('load', [])).rejects.toMatchObject({ code: 'DISPOSED' });
});

it('ends a generation that the page has begun and dropped', async () => {
  const { ended, connection } = counting();
  const model = (await connection.callFunction('load', [])) as Model;
  await (async () => {
    const stream = model.generate();
    expect((await stream.next()).value).toBe(0);
    // the worker is as far ahead as it may be
    await tick();
    expect(ended).toEqual([]);
  })();
  await expect
    .poll(async () => {
      collect();
      await tick();
      return ended;
    })
    .toEqual(['ended']);
  expect(model.generate).toBeTypeOf('function');
});

it('lets a generation go on whose result the page awaits, though it holds nothing else of it', async () => {
  let finish: (result: string) => void = () => {};
  const { ended, connection } = counting(
    new Promise((resolve) => {
      finish = resolve;
    }),
  );
  const model = (await connection.callFunction('load', [])) as Model;
  const result = await (async () => {
    const stream = model.generate();
    await stream.next();
    return [stream.result];
  })();
  for (let i = 0; i < 10; i++) {
    collect();
    await tick();
  }
  expect(ended).toEqual([]);
  finish('whole');
  expect(await result[0]).toBe('whole');
  expect(model.generate).toBeTypeOf('function');
});
