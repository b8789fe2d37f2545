/** Flower's records and the objects that they travel as: bytes whose SHA-256 is their id, in a tree. */
import { concatenated } from '../../core/concatenated.ts';
import { hashOf } from '../../formats/packages/hash.ts';
import { FederatedError } from '../federatedError.ts';
import { decodeNpy, encodeNpy, type NpyArray } from './npy.ts';
import { decodeProto, encodeProto, type Message } from './protobuf.ts';
import { record as recordSchema } from './schemas.ts';

/** bigint: an integer. number: a float. */
export type RecordValue =
  | number
  | bigint
  | boolean
  | string
  | Uint8Array
  | readonly number[]
  | readonly bigint[]
  | readonly boolean[]
  | readonly string[]
  | readonly Uint8Array[];
export type Values = Readonly<Record<string, RecordValue>>;

export type FlowerRecord =
  | { readonly kind: 'arrays'; readonly arrays: Readonly<Record<string, NpyArray>> }
  | { readonly kind: 'metrics'; readonly values: Values }
  | { readonly kind: 'config'; readonly values: Values };
/** Records by name, in order. */
export type RecordDict = Readonly<Record<string, FlowerRecord>>;

export interface FlowerObject {
  readonly id: string;
  readonly bytes: Uint8Array;
  readonly children: readonly FlowerObject[];
}

const SLICE = 5 * 1024 * 1024;
const encoder = new TextEncoder();

/** Bytes = `<Type> <childId,childId…> <length of body>` + \0 + body; children are listed once. */
export function flowerObject(type: string, children: readonly FlowerObject[], body: Uint8Array): FlowerObject {
  const different = [...new Map(children.map((child) => [child.id, child])).values()];
  const head = encoder.encode(`${type} ${different.map(({ id }) => id).join(',')} ${body.length}\0`);
  const bytes = new Uint8Array(head.length + body.length);
  bytes.set(head);
  bytes.set(body, head.length);
  return { id: hashOf(bytes), bytes, children: different };
}

export function recordDictObject(records: RecordDict): FlowerObject {
  const objects = Object.entries(records).map(([name, record]) => ({ name, object: recordObject(record) }));
  return flowerObject(
    'RecordDict',
    objects.map(({ object }) => object),
    namedIds(objects),
  );
}

function recordObject(record: FlowerRecord): FlowerObject {
  if (record.kind === 'arrays') {
    const objects = Object.entries(record.arrays).map(([name, array]) => ({ name, object: arrayObject(array) }));
    return flowerObject(
      'ArrayRecord',
      objects.map(({ object }) => object),
      namedIds(objects),
    );
  }
  const items = Object.entries(record.values).map(([key, value]) => ({ key, value: valueMessage(value) }));
  const type = record.kind === 'metrics' ? 'MetricRecord' : 'ConfigRecord';
  return flowerObject(type, [], encodeProto(recordSchema, { items }));
}

function arrayObject(array: NpyArray): FlowerObject {
  const file = encodeNpy(array);
  const chunks: FlowerObject[] = [];
  for (let at = 0; at < file.length; at += SLICE)
    chunks.push(flowerObject('ArrayChunk', [], file.subarray(at, at + SLICE)));
  const ids = [...new Set(chunks.map(({ id }) => id))];
  const indices = chunks.map(({ id }) => ids.indexOf(id)).join(', ');
  const text = `{"dtype": "${array.dtype}", "shape": [${array.shape.join(', ')}], "stype": "numpy.ndarray", "arraychunk_ids": [${indices}]}`;
  return flowerObject('Array', chunks, encoder.encode(text));
}

/** JSON as Python writes it. */
function namedIds(objects: readonly { readonly name: string; readonly object: FlowerObject }[]): Uint8Array {
  return encoder.encode(`{${objects.map(({ name, object }) => `${pythonString(name)}: "${object.id}"`).join(', ')}}`);
}

function pythonString(text: string): string {
  // without the u flag, a regular expression sees UTF-16 units, as Python's escapes do
  return JSON.stringify(text).replace(
    /[\u007f-\uffff]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
  );
}

function valueMessage(value: RecordValue): Message {
  if (Array.isArray(value)) {
    const [first] = value;
    const name =
      typeof first === 'bigint'
        ? 'sint64s'
        : typeof first === 'boolean'
          ? 'bools'
          : typeof first === 'string'
            ? 'strings'
            : first instanceof Uint8Array
              ? 'byteses'
              : 'doubles';
    return { [name]: { vals: value } };
  }
  if (typeof value === 'bigint') return value >= 2n ** 63n ? { uint64: value } : { sint64: value };
  if (typeof value === 'number') return { double: value };
  if (typeof value === 'boolean') return { bool: value };
  return typeof value === 'string' ? { string: value } : { bytes: value };
}

/**
 * Reads records from their objects.
 * @param find returns the bytes of an object, whose hash was compared with the id
 * @throws {FederatedError} BAD_ANSWER
 */
export function readRecordDict(id: string, find: (id: string) => Uint8Array): RecordDict {
  const { type, body } = parse(find(id));
  if (type !== 'RecordDict') throw bad(`${id} is a ${type}, expected a RecordDict`);
  return Object.fromEntries(
    Object.entries(readJson(body)).map(([name, child]) => [name, readRecord(String(child), find)]),
  );
}

function readRecord(id: string, find: (id: string) => Uint8Array): FlowerRecord {
  const { type, body } = parse(find(id));
  if (type === 'ArrayRecord') {
    const arrays = Object.entries(readJson(body)).map(([name, child]) => [name, readArray(String(child), find)]);
    return { kind: 'arrays', arrays: Object.fromEntries(arrays) };
  }
  if (type !== 'MetricRecord' && type !== 'ConfigRecord') throw bad(`${id} is a ${type}, expected a record`);
  const { items = [] } = decodeProto(recordSchema, body) as { items?: { key?: string; value?: Message }[] };
  const values = Object.fromEntries(
    items.map(({ key = '', value = {} }) => {
      const [found] = Object.values(value);
      const isList = typeof found === 'object' && !(found instanceof Uint8Array);
      return [key, (isList ? ((found as { vals?: unknown[] }).vals ?? []) : found) as RecordValue];
    }),
  );
  return { kind: type === 'MetricRecord' ? 'metrics' : 'config', values };
}

function readArray(id: string, find: (id: string) => Uint8Array): NpyArray {
  const { type, children, body } = parse(find(id));
  const { stype, arraychunk_ids: indices } = readJson(body) as { stype?: unknown; arraychunk_ids?: unknown };
  if (type !== 'Array' || stype !== 'numpy.ndarray' || !Array.isArray(indices)) throw bad(`${id} is no array of numpy`);
  const chunks = indices.map((index) => {
    const child = children[Number(index)];
    if (child === undefined) throw bad(`array ${id} has no chunk ${index}`);
    return parse(find(child)).body;
  });
  return decodeNpy(concatenated(chunks));
}

export function parse(bytes: Uint8Array): { type: string; children: string[]; body: Uint8Array } {
  const end = bytes.indexOf(0);
  const [type, children, length] = new TextDecoder().decode(bytes.subarray(0, Math.max(0, end))).split(' ');
  const body = bytes.subarray(end + 1);
  if (end < 0 || Number(length) !== body.length) throw bad('an object has a wrong head');
  return { type, children: children === '' ? [] : children.split(','), body };
}

function readJson(body: Uint8Array): Record<string, unknown> {
  try {
    return JSON.parse(new TextDecoder().decode(body)) as Record<string, unknown>;
  } catch (cause) {
    throw new FederatedError('BAD_ANSWER', 'an object is not JSON', {}, { cause });
  }
}

function bad(problem: string): FederatedError {
  return new FederatedError('BAD_ANSWER', problem);
}
