/** Protocol buffers (proto3) from tables of fields: the wheel of Flower has no .proto files to compile. */
import { BinaryReader, BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { FederatedError } from '../federatedError.ts';

type Scalar = 'uint64' | 'sint64' | 'double' | 'bool' | 'string' | 'bytes';

export interface Field {
  readonly no: number;
  readonly type: Scalar | (() => Schema);
  readonly repeated?: boolean;
  /** Also written with the default value if it is set: a member of a oneof, or optional. */
  readonly explicit?: boolean;
}

/** Fields by name, in the order of their numbers. */
export type Schema = Readonly<Record<string, Field>>;
/** A message. 64-bit integers are bigint, because Flower's ids exceed 2⁵³. Absent fields are undefined. */
export type Message = Record<string, unknown>;

const wireTypes: Readonly<Record<Scalar, WireType>> = {
  uint64: WireType.Varint,
  sint64: WireType.Varint,
  bool: WireType.Varint,
  double: WireType.Bit64,
  string: WireType.LengthDelimited,
  bytes: WireType.LengthDelimited,
};

export function encodeProto(schema: Schema, message: Message): Uint8Array {
  const writer = new BinaryWriter();
  writeFields(writer, schema, message);
  return writer.finish();
}

function writeFields(writer: BinaryWriter, schema: Schema, message: Message): void {
  for (const [name, { no, type, repeated, explicit }] of Object.entries(schema)) {
    const value = message[name];
    if (value === undefined) continue;
    if (typeof type === 'function') {
      for (const one of (repeated ? value : [value]) as Message[]) {
        writer.tag(no, WireType.LengthDelimited).fork();
        writeFields(writer, type(), one);
        writer.join();
      }
    } else if (!repeated) {
      if (!explicit && isDefault(value)) continue;
      writer.tag(no, wireTypes[type]);
      writeScalar(writer, type, value);
    } else if (wireTypes[type] === WireType.LengthDelimited) {
      for (const one of value as unknown[]) writeScalar(writer.tag(no, WireType.LengthDelimited), type, one);
    } else if ((value as unknown[]).length > 0) {
      writer.tag(no, WireType.LengthDelimited).fork();
      for (const one of value as unknown[]) writeScalar(writer, type, one);
      writer.join();
    }
  }
}

function isDefault(value: unknown): boolean {
  return value === 0 || value === 0n || value === false || value === '' || (value as Uint8Array).length === 0;
}

function writeScalar(writer: BinaryWriter, type: Scalar, value: unknown): void {
  (writer[type] as (value: unknown) => unknown).call(writer, value);
}

/** Unknown fields are left out. @throws {FederatedError} BAD_ANSWER if the bytes are no message */
export function decodeProto(schema: Schema, bytes: Uint8Array): Message {
  try {
    return readFields(new BinaryReader(bytes), bytes.length, schema);
  } catch (cause) {
    throw new FederatedError('BAD_ANSWER', 'an answer is not a protobuf message', {}, { cause });
  }
}

function readFields(reader: BinaryReader, end: number, schema: Schema): Message {
  const byNumber = new Map(Object.entries(schema).map(([name, field]) => [field.no, { name, ...field }]));
  const message: Message = {};
  while (reader.pos < end) {
    const [no, wire] = reader.tag();
    const field = byNumber.get(no);
    if (!field) {
      reader.skip(wire, no);
      continue;
    }
    const { name, type, repeated } = field;
    const add = (value: unknown) => {
      if (!repeated) message[name] = value;
      else (message[name] ??= [] as unknown[]) && (message[name] as unknown[]).push(value);
    };
    if (typeof type === 'function') {
      const length = reader.uint32();
      if (reader.pos + length > end) throw new RangeError('a message is longer than what contains it');
      add(readFields(reader, reader.pos + length, type()));
    } else if (repeated && wire === WireType.LengthDelimited && wireTypes[type] !== WireType.LengthDelimited) {
      const stop = reader.uint32() + reader.pos;
      if (stop > end) throw new RangeError('a list is longer than what contains it');
      while (reader.pos < stop) add(readScalar(reader, type));
    } else add(readScalar(reader, type));
  }
  return message;
}

function readScalar(reader: BinaryReader, type: Scalar): unknown {
  const value = reader[type]();
  return type === 'uint64' || type === 'sint64' ? BigInt(value as bigint) : value;
}
