import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, it } from 'vitest';
import { registryStore } from './registry.ts';

const servers: Server[] = [];
afterEach(() => {
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

/** @returns its host */
async function listen(answer: RequestListener): Promise<string> {
  const server = createServer(answer);
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const storeAt = (host: string, options = {}) =>
  registryStore({ kind: 'registry', host, repository: 'models/tiny', tag: '1' }, options);

it('sends the token to its own host only', async () => {
  const seen: Record<string, (string | undefined)[]> = { registry: [], storage: [] };
  const storage = await listen((request, response) => {
    seen.storage.push(request.headers.authorization);
    response.writeHead(201, { location: request.url! }).end();
  });
  const host = await listen((request, response) => {
    seen.registry.push(request.headers.authorization);
    if (!request.headers.authorization) response.writeHead(401, { 'www-authenticate': 'Basic realm="x"' }).end();
    else response.writeHead(202, { location: `http://${storage}/upload?state=1` }).end();
  });
  await storeAt(host, { user: 'me', password: 'secret' }).putBlob('a'.repeat(64), 3, [Uint8Array.of(1, 2, 3)]);
  expect(seen.registry).toEqual([undefined, `Basic ${btoa('me:secret')}`]);
  // a location without a host is one of the storage
  expect(seen.storage).toEqual([undefined, undefined]);
});

it('refuses answers without end, and says where tokens cannot be fetched', async () => {
  const endless = await listen((_, response) => {
    const write = () => {
      while (response.write(new Uint8Array(1 << 20)));
    };
    response.on('drain', write);
    write();
  });
  await expect(storeAt(endless).readManifest()).rejects.toThrow('answers with more than 4194304 bytes');
  const challenge = (realm: string) =>
    listen((_, response) => void response.writeHead(401, { 'www-authenticate': `Bearer realm="${realm}"` }).end());
  await expect(storeAt(await challenge(`http://${endless}/token`)).readManifest()).rejects.toThrow('more than 65536');
  await expect(storeAt(await challenge('http://127.0.0.1:1/token')).readManifest()).rejects.toThrow(
    'its tokens cannot be fetched from http://127.0.0.1:1',
  );
  const empty = await listen((_, response) => void response.end('{}'));
  await expect(storeAt(await challenge(`http://${empty}/token`)).readManifest()).rejects.toThrow('without a token');
});
