/** Flower's objects: the same bytes and ids as Flower's own package makes (1.42; the ids were printed by Python). */

import { createPublicKey } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, it } from 'vitest';
import { FederatedError } from '../federatedError.ts';
import { FleetApi, flowerKey, openSshKey } from './fleetApi.ts';
import { FlowerNode } from './flowerNode.ts';
import { decodeNpy, encodeNpy } from './npy.ts';
import { decodeProto, encodeProto } from './protobuf.ts';
import { type FlowerObject, flowerObject, type RecordDict, readRecordDict, recordDictObject } from './records.ts';
import { message as messageSchema, methods } from './schemas.ts';

const records: RecordDict = {
  arrays: { kind: 'arrays', arrays: { w: { dtype: 'float32', shape: [3], data: Float32Array.of(1, 2, 3) } } },
  metrics: { kind: 'metrics', values: { loss: 0.5, 'num-examples': 30n } },
  config: { kind: 'config', values: { é: [1n, -2n], flag: true } },
};
const all = (object: FlowerObject): FlowerObject[] => [object, ...object.children.flatMap(all)];

describe('an object of Flower', () => {
  it('has the id that Python gives it', () => {
    const object = recordDictObject(records);
    const [arrays, metrics, config] = object.children;
    expect(arrays.children[0].children[0].id).toBe('1c0de163ebbba9b7e6c78ba9bb113e8b94ff01a03cf67de3321ae49256aa968a');
    expect(arrays.children[0].id).toBe('9212d8007fc7e1c8cb3f4014662a36c18bbdfb789f431008a376ef6de7b9789a');
    expect(arrays.id).toBe('86c6ded8f4c0535bf95c47fc376d8681312e31a97dcb4f4715462bc7226d14da');
    expect(metrics.id).toBe('db34f8525210759b6e997b4d784692510fd93a8873981678b29c74e81fa6e48f');
    expect(config.id).toBe('20c6f3548815930476f1354a6626b3a36ed7f8d00572569acc81cac8a1f82484');
    expect(object.id).toBe('5b03740dc4bcd3837d440db1a797595125c82863b0963b32b9a714cec035a2f7');
    const metadata = {
      ...{ runId: 2n ** 64n - 1n, srcNodeId: 2n ** 63n, dstNodeId: 1n, replyToMessageId: '0'.repeat(64), ttl: 60 },
      ...{ messageType: 'train', createdAt: 1800000000.5, dstTaskId: 7n },
    };
    const message = flowerObject('Message', [object], encodeProto(messageSchema, { metadata }));
    expect(message.id).toBe('40370eaf06a64a15edc0fa4595537e87e6b3304bb0ac58973a065b0b4a82637f');
    expect(decodeProto(messageSchema, encodeProto(messageSchema, { metadata }))).toEqual({ metadata });
  });

  it('is read back', () => {
    const object = recordDictObject(records);
    const bytes = new Map(all(object).map((one) => [one.id, one.bytes]));
    expect(readRecordDict(object.id, (id) => bytes.get(id)!)).toEqual(records);
  });

  it('is refused by name when it is damaged', () => {
    const object = recordDictObject(records);
    const bytes = new Map(all(object).map((one) => [one.id, one.bytes]));
    for (const { id, bytes: whole } of all(object))
      for (let at = 0; at < whole.length; at += 3) {
        const damaged = whole.slice();
        damaged[at] ^= 0x41;
        try {
          readRecordDict(object.id, (other) => (other === id ? damaged : (bytes.get(other) ?? new Uint8Array())));
        } catch (error) {
          expect(error).toBeInstanceOf(FederatedError);
        }
      }
  });
});

describe('a .npy file', () => {
  it('is read from a Buffer, whose slices share its memory', () => {
    const data = Float32Array.of(1, 2, 3);
    const file = Buffer.from(encodeNpy({ dtype: 'float32', shape: [3], data }));
    expect(decodeNpy(file)).toEqual({ dtype: 'float32', shape: [3], data });
  });

  it('comes back, in Fortran order too', () => {
    for (const shape of [[], [3], [2, 3], [1, 0, 4]]) {
      const count = shape.reduce((product, axis) => product * axis, 1);
      const array = { dtype: 'float32', shape, data: Float32Array.from({ length: count }, (_, i) => i) };
      const bytes = encodeNpy(array);
      expect((bytes.length - 4 * count) % 64).toBe(0);
      expect(decodeNpy(bytes)).toEqual(array);
    }
    const bytes = encodeNpy({ dtype: 'int32', shape: [2, 3], data: Int32Array.of(1, 4, 2, 5, 3, 6) });
    const text = Buffer.from(bytes).toString('latin1').replace('False', 'True ');
    const fortran = Uint8Array.from(Buffer.from(text, 'latin1'));
    expect([...decodeNpy(fortran).data]).toEqual([1, 2, 3, 4, 5, 6]);
  });
});

describe('a key', () => {
  it('is read by others, as PEM', () => {
    const key = flowerKey(new Uint8Array(32).fill(7));
    const pem = new TextDecoder().decode(key.publicKey);
    expect(createPublicKey(pem).export({ type: 'spki', format: 'pem' })).toBe(pem);
    expect(openSshKey(key)).toMatch(/^ecdsa-sha2-nistp256 AAAA/);
  });
});

describe('a node that stops without unregistering', () => {
  it('keeps its id and its message for the next start', async () => {
    const called: string[] = [];
    const server = createServer((request, response) => {
      const method = request.url!.split('/').at(-1)!;
      called.push(method);
      const { answer } = methods[method as 'register-node'];
      request.resume().on('end', () => response.end('nodeId' in answer ? encodeProto(answer, { nodeId: 7n }) : ''));
    }).listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    let text: string | undefined;
    const store = {
      load: async () => text,
      save: async (state: string) => {
        text = state;
      },
    };
    const started = async () => {
      const node = new FlowerNode(url, flowerKey(new Uint8Array(32).fill(1)), {
        store,
        handle: async (message) => message.content,
      });
      await node.start();
      return node;
    };
    try {
      await (await started()).stop({ unregister: false });
      const again = await started();
      expect(again.nodeId).toBe(7n);
      expect(called.filter((method) => method === 'register-node')).toHaveLength(1);
      await again.stop();
      expect(text).toBe('{}');
    } finally {
      server.close();
    }
  });
});

describe('a call of the Fleet API', () => {
  it.each([
    [200, /more than 67108864 bytes/],
    [400, /Flower refused register-node: status 400/],
  ])('ends where an answer with status %d does not', async (status, message) => {
    let isClosed = false;
    const server = createServer((request, response) => {
      response.writeHead(status).on('close', () => {
        isClosed = true;
      });
      const piece = Buffer.alloc(2 ** 20);
      const write = () => {
        while (!isClosed && response.write(piece));
      };
      request.resume();
      response.on('drain', write);
      write();
    }).listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const { port } = server.address() as AddressInfo;
    try {
      const api = new FleetApi(`http://127.0.0.1:${port}`, flowerKey(), { patience: 0 });
      await expect(api.call('register-node', {})).rejects.toThrow(message);
    } finally {
      server.close();
    }
  });
});
