import { describe, expect, it } from 'vitest';
import { onnxModel } from '../../bench/peers/onnx.js';

/** A message as a list of fields: numbers, and the bytes of what has a length. */
function fields(bytes: Uint8Array): [field: number, value: number | Uint8Array][] {
  const found: [number, number | Uint8Array][] = [];
  let position = 0;
  const varint = (): number => {
    let value = 0;
    for (let factor = 1; ; factor *= 128) {
      const byte = bytes[position++];
      value += (byte & 127) * factor;
      if (byte < 128) return value;
    }
  };
  while (position < bytes.length) {
    const tag = varint();
    const wire = tag % 8;
    if (wire === 0) found.push([Math.floor(tag / 8), varint()]);
    else if (wire === 5) {
      const view = new DataView(bytes.buffer, bytes.byteOffset + position, 4);
      found.push([Math.floor(tag / 8), view.getFloat32(0, true)]);
      position += 4;
    } else if (wire === 2) {
      const length = varint();
      found.push([Math.floor(tag / 8), bytes.subarray(position, position + length)]);
      position += length;
    } else throw new Error(`wire type ${wire}`);
  }
  if (position !== bytes.length) throw new Error('the last field ends behind the message');
  return found;
}

const text = (bytes: number | Uint8Array) => (typeof bytes === 'number' ? bytes : new TextDecoder().decode(bytes));
const inside = (message: readonly [number, number | Uint8Array][], field: number) =>
  message.flatMap(([name, value]) => (name === field && typeof value !== 'number' ? [fields(value)] : []));
const values = (message: readonly [number, number | Uint8Array][], field: number) =>
  message.flatMap(([name, value]) => (name === field ? [text(value)] : []));

describe('onnxModel', () => {
  const data = Float32Array.of(9, 1, 2.5, -3, 0.5).subarray(1);
  const model = fields(
    onnxModel({
      inputs: { x: [2, 300] },
      outputs: { y: [300] },
      constants: {
        w: { dims: [2, 2], data },
        shape: { dims: [2], data: BigInt64Array.of(-1n, 300n) },
      },
      nodes: [
        { op: 'Gemm', inputs: ['x', '', 'w'], output: 'h', attributes: { alpha: { float: 0.25 }, transB: { int: 1 } } },
        { op: 'Transpose', inputs: ['h'], output: 'y', attributes: { perm: { ints: [1, 0, 128] } } },
        { op: 'MultiHeadAttention', inputs: ['q'], output: 'z', domain: 'com.microsoft' },
      ],
    }),
  );
  const [graph] = inside(model, 7);

  it('names its versions: the format, the standard operators, and those of ONNX Runtime', () => {
    expect(values(model, 1)).toEqual([10]);
    expect(inside(model, 8).map((set) => [values(set, 1), values(set, 2)])).toEqual([
      [[], [21]],
      [['com.microsoft'], [1]],
    ]);
  });

  it('holds the nodes in order, an omitted input as an empty name', () => {
    const nodes = inside(graph, 1).map((node) => [1, 2, 4, 7].map((field) => values(node, field)));
    expect(nodes).toEqual([
      [['x', '', 'w'], ['h'], ['Gemm'], []],
      [['h'], ['y'], ['Transpose'], []],
      [['q'], ['z'], ['MultiHeadAttention'], ['com.microsoft']],
    ]);
  });

  it('holds attributes with their type', () => {
    const [gemm, transpose] = inside(graph, 1).map((node) => inside(node, 5));
    expect(gemm.map((one) => [1, 2, 3, 20].map((field) => values(one, field)))).toEqual([
      [['alpha'], [0.25], [], [1]],
      [['transB'], [], [1], [2]],
    ]);
    expect(transpose.map((one) => [1, 8, 20].map((field) => values(one, field)))).toEqual([
      [['perm'], [1, 0, 128], [7]],
    ]);
  });

  it('holds constants: dimensions, type and raw bytes, views included', () => {
    const constants = inside(graph, 5).map((one) => [1, 2, 8].map((field) => values(one, field)));
    expect(constants).toEqual([
      [[2, 2], [1], ['w']],
      [[2], [7], ['shape']],
    ]);
    const raw = inside(model, 7)
      .flatMap((message) => inside(message, 5))
      .map((one) => one.find(([field]) => field === 9));
    const bytes = raw.map((field) => (field?.[1] instanceof Uint8Array ? field[1].slice().buffer : new ArrayBuffer(0)));
    expect([...new Float32Array(bytes[0])]).toEqual([1, 2.5, -3, 0.5]);
    expect([...new BigInt64Array(bytes[1])]).toEqual([-1n, 300n]);
  });

  it('declares inputs and outputs as float tensors of their shape', () => {
    const declared = (field: number) =>
      inside(graph, field).map((value) => {
        const [tensor] = inside(inside(value, 2)[0], 1);
        const [shape] = inside(tensor, 2);
        return [values(value, 1), values(tensor, 1), inside(shape, 1).flatMap((dim) => values(dim, 1))];
      });
    expect(declared(11)).toEqual([[['x'], [1], [2, 300]]]);
    expect(declared(12)).toEqual([[['y'], [1], [300]]]);
  });

  it('is these bytes', () => {
    const tiny = onnxModel({
      inputs: { x: [1] },
      outputs: { y: [1] },
      nodes: [{ op: 'Identity', inputs: ['x'], output: 'y' }],
    });
    const hex = Buffer.from(tiny).toString('hex');
    // ir_version 10 | graph: node x → y Identity, name bench, input x, output y: float [1] | opset 21 | com.microsoft 1
    const tensor = (name: string) => `0a01${name}120a0a08080112040a020801`;
    const node = '0a100a0178120179220' + '84964656e74697479';
    const graphHex = `${node}120562656e63685a0f${tensor('78')}620f${tensor('79')}`;
    const microsoft = '42110a0d636f6d2e6d6963726f736f66741001';
    expect(hex).toBe(`080a3a3b${graphHex}42021015${microsoft}`);
  });
});
