// ONNX models made in memory: the few fields of the protobuf format that a graph of standard operators needs.
// Field numbers are those of onnx.proto, https://github.com/onnx/onnx/blob/main/onnx/onnx.proto

export type Attribute = { readonly int: number } | { readonly float: number } | { readonly ints: readonly number[] };

export interface OnnxNode {
  readonly op: string;
  /** '' leaves an optional input out. */
  readonly inputs: readonly string[];
  readonly output: string;
  readonly attributes?: Readonly<Record<string, Attribute>>;
  /** Default: the standard operators. */
  readonly domain?: 'com.microsoft';
}

export interface OnnxConstant {
  readonly dims: readonly number[];
  /** Float32Array as float, BigInt64Array as int64. */
  readonly data: Float32Array | BigInt64Array;
}

export interface OnnxGraph {
  /** Names and shapes of float32 tensors. */
  readonly inputs: Readonly<Record<string, readonly number[]>>;
  readonly outputs: Readonly<Record<string, readonly number[]>>;
  readonly constants?: Readonly<Record<string, OnnxConstant>>;
  readonly nodes: readonly OnnxNode[];
}

/** A protobuf message, not yet joined. */
type Bytes = readonly Uint8Array[];

const IR_VERSION = 10;
const OPSET = 21;
const FLOAT = 1;
const INT64 = 7;
const text = new TextEncoder();

const VARINT = 0;
const LENGTH_DELIMITED = 2;
const FIXED_32 = 5;

/** A non-negative integer, seven bits a byte, the lowest first. */
function varint(value: number): Uint8Array {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128);
  return Uint8Array.of(...bytes, rest);
}

const tag = (field: number, wire: number): Uint8Array => varint(field * 8 + wire);
const integer = (field: number, value: number): Bytes => [tag(field, VARINT), varint(value)];
const float = (field: number, value: number): Bytes => [
  tag(field, FIXED_32),
  new Uint8Array(Float32Array.of(value).buffer),
];

function message(field: number, parts: Bytes): Bytes {
  const length = parts.reduce((sum, part) => sum + part.length, 0);
  return [tag(field, LENGTH_DELIMITED), varint(length), ...parts];
}

const string = (field: number, value: string): Bytes => message(field, [text.encode(value)]);

function attribute(name: string, value: Attribute): Bytes {
  if ('int' in value) return [...string(1, name), ...integer(3, value.int), ...integer(20, 2)];
  if ('float' in value) return [...string(1, name), ...float(2, value.float), ...integer(20, 1)];
  return [...string(1, name), ...value.ints.flatMap((int) => integer(8, int)), ...integer(20, 7)];
}

function node({ op, inputs, output, attributes = {}, domain }: OnnxNode): Bytes {
  return [
    ...inputs.flatMap((name) => string(1, name)),
    ...string(2, output),
    ...string(4, op),
    ...Object.entries(attributes).flatMap(([name, value]) => message(5, attribute(name, value))),
    ...(domain === undefined ? [] : string(7, domain)),
  ];
}

function constant(name: string, { dims, data }: OnnxConstant): Bytes {
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  const type = data instanceof Float32Array ? FLOAT : INT64;
  return [...dims.flatMap((n) => integer(1, n)), ...integer(2, type), ...string(8, name), ...message(9, [bytes])];
}

function value(name: string, dims: readonly number[]): Bytes {
  const shape = dims.flatMap((n) => message(1, integer(1, n)));
  const tensor = [...integer(1, FLOAT), ...message(2, shape)];
  return [...string(1, name), ...message(2, message(1, tensor))];
}

/** The bytes of a model. Little-endian machines only, as everything that runs WebAssembly. */
export function onnxModel({ inputs, outputs, constants = {}, nodes }: OnnxGraph): Uint8Array {
  const graph = [
    ...nodes.flatMap((one) => message(1, node(one))),
    ...string(2, 'bench'),
    ...Object.entries(constants).flatMap(([name, tensor]) => message(5, constant(name, tensor))),
    ...Object.entries(inputs).flatMap(([name, dims]) => message(11, value(name, dims))),
    ...Object.entries(outputs).flatMap(([name, dims]) => message(12, value(name, dims))),
  ];
  const parts = [
    ...integer(1, IR_VERSION),
    ...message(7, graph),
    ...message(8, integer(2, OPSET)),
    ...message(8, [...string(1, 'com.microsoft'), ...integer(2, 1)]),
  ];
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let position = 0;
  for (const part of parts) {
    bytes.set(part, position);
    position += part.length;
  }
  return bytes;
}
