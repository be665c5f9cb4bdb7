import type { AttentionProblem, Implementation, LayerProblem, Prepared } from '../harness/contender.js';
import { type OnnxConstant, type OnnxGraph, type OnnxNode, onnxModel } from './onnx.js';

/** The part of onnxruntime-web that is used. */
export interface OnnxRuntime {
  readonly env: { logLevel?: string; readonly wasm: { numThreads?: number } };
  readonly Tensor: new (type: 'float32', data: Float32Array, dims: readonly number[]) => OrtTensor;
  readonly InferenceSession: { create(model: Uint8Array, options: object): Promise<OrtSession> };
}
interface OrtTensor {
  readonly data: unknown;
}
interface OrtSession {
  run(feeds: Record<string, OrtTensor>): Promise<Record<string, OrtTensor>>;
  release(): Promise<void>;
}

const SESSION_OPTIONS = { executionProviders: ['wasm'], graphOptimizationLevel: 'all' };

const ints = (...values: number[]): OnnxConstant => ({
  dims: [values.length],
  data: BigInt64Array.from(values, BigInt),
});
const permute = (input: string, output: string, ...perm: number[]): OnnxNode => ({
  op: 'Transpose',
  inputs: [input],
  output,
  attributes: { perm: { ints: perm } },
});

type Heads = Pick<AttentionProblem, 'numHeads' | 'dHead' | 'queries' | 'keys' | 'causal'>;
type Part = Pick<OnnxGraph, 'nodes' | 'constants'>;

/** Attention from q, k, v (rows × width) to `output`, as exporters write it: MatMul, Softmax, MatMul over the heads. */
function attentionGraph({ numHeads, dHead, queries, keys, causal }: Heads, output: string): Part {
  const mask = new Float32Array(queries * keys);
  for (let i = 0; i < queries; i++)
    mask.fill(Number.NEGATIVE_INFINITY, i * keys + keys - queries + i + 1, (i + 1) * keys);
  const scores = causal ? 'masked' : 'scaled';
  return {
    constants: {
      splitQ: ints(queries, numHeads, dHead),
      splitK: ints(keys, numHeads, dHead),
      join: ints(queries, numHeads * dHead),
      scale: { dims: [], data: Float32Array.of(1 / Math.sqrt(dHead)) },
      ...(causal && { mask: { dims: [1, queries, keys], data: mask } }),
    },
    nodes: [
      { op: 'Reshape', inputs: ['q', 'splitQ'], output: 'q3' },
      { op: 'Reshape', inputs: ['k', 'splitK'], output: 'k3' },
      { op: 'Reshape', inputs: ['v', 'splitK'], output: 'v3' },
      permute('q3', 'qHeads', 1, 0, 2),
      permute('k3', 'kHeads', 1, 2, 0),
      permute('v3', 'vHeads', 1, 0, 2),
      { op: 'MatMul', inputs: ['qHeads', 'kHeads'], output: 'scores' },
      { op: 'Mul', inputs: ['scores', 'scale'], output: 'scaled' },
      ...(causal ? [{ op: 'Add', inputs: ['scaled', 'mask'], output: 'masked' }] : []),
      { op: 'Softmax', inputs: [scores], output: 'weights', attributes: { axis: { int: 2 } } },
      { op: 'MatMul', inputs: ['weights', 'vHeads'], output: 'oHeads' },
      permute('oHeads', 'o3', 1, 0, 2),
      { op: 'Reshape', inputs: ['o3', 'join'], output },
    ],
  };
}

/** The same by ONNX Runtime's own fused operator; its tensors have a batch dimension in front. */
function attentionFused({ numHeads, dHead, queries, keys, causal }: Heads, output: string): Part {
  const width = numHeads * dHead;
  return {
    constants: { batchQ: ints(1, queries, width), batchK: ints(1, keys, width), join: ints(queries, width) },
    nodes: [
      { op: 'Reshape', inputs: ['q', 'batchQ'], output: 'q3' },
      { op: 'Reshape', inputs: ['k', 'batchK'], output: 'k3' },
      { op: 'Reshape', inputs: ['v', 'batchK'], output: 'v3' },
      {
        op: 'MultiHeadAttention',
        domain: 'com.microsoft',
        inputs: ['q3', 'k3', 'v3'],
        output: 'o3',
        attributes: { num_heads: { int: numHeads }, unidirectional: { int: causal ? 1 : 0 } },
      },
      { op: 'Reshape', inputs: ['o3', 'join'], output },
    ],
  };
}

/** Starts ONNX Runtime Web on one thread. */
export async function startOnnxRuntime(ort: OnnxRuntime): Promise<void> {
  ort.env.wasm.numThreads = 1;
  ort.env.logLevel = 'error';
  const hadWorker = 'Worker' in globalThis;
  const identity: OnnxGraph = {
    inputs: { x: [1] },
    outputs: { y: [1] },
    nodes: [{ op: 'Identity', inputs: ['x'], output: 'y' }],
  };
  await (await ort.InferenceSession.create(onnxModel(identity), SESSION_OPTIONS)).release();
  // In Node it leaves a global Worker behind, by which another peer would believe that it can share memory.
  if (!hadWorker) Reflect.deleteProperty(globalThis, 'Worker');
}

/** ONNX Runtime Web, once started, with attention as a graph of standard operators or as its fused operator. */
export function onnxruntime(ort: OnnxRuntime, attention: 'graph' | 'fused'): Implementation {
  const attentionPart = attention === 'graph' ? attentionGraph : attentionFused;

  /** A model whose one output is y; `feeds` are copied in by every call. */
  async function prepare(graph: OnnxGraph, feeds: Readonly<Record<string, Float32Array>>): Promise<Prepared> {
    const session = await ort.InferenceSession.create(onnxModel(graph), SESSION_OPTIONS);
    const names = Object.keys(feeds);
    return {
      callAsync: async () => {
        const tensors: Record<string, OrtTensor> = {};
        for (const name of names) tensors[name] = new ort.Tensor('float32', feeds[name], graph.inputs[name]);
        const { data } = (await session.run(tensors)).y;
        if (!(data instanceof Float32Array)) throw new TypeError('onnxruntime-web: y must be a Float32Array');
        return data;
      },
      dispose: () => void session.release(),
    };
  }

  function prepareAttention(problem: AttentionProblem): Promise<Prepared> {
    const { queries, keys, numHeads, dHead, q, k, v } = problem;
    const width = numHeads * dHead;
    const inputs = { q: [queries, width], k: [keys, width], v: [keys, width] };
    return prepare({ inputs, outputs: { y: [queries, width] }, ...attentionPart(problem, 'y') }, { q, k, v });
  }

  function prepareLayer({ x, tokens, dModel, numHeads, wQ, wK, wV, wO }: LayerProblem): Promise<Prepared> {
    const dims = [dModel, dModel];
    const heads = { numHeads, dHead: dModel / numHeads, queries: tokens, keys: tokens, causal: false };
    const part = attentionPart(heads, 'attended');
    const weights = { wQ: { dims, data: wQ }, wK: { dims, data: wK }, wV: { dims, data: wV }, wO: { dims, data: wO } };
    const graph: OnnxGraph = {
      inputs: { x: [tokens, dModel] },
      outputs: { y: [tokens, dModel] },
      constants: { ...part.constants, ...weights },
      nodes: [
        { op: 'MatMul', inputs: ['x', 'wQ'], output: 'q' },
        { op: 'MatMul', inputs: ['x', 'wK'], output: 'k' },
        { op: 'MatMul', inputs: ['x', 'wV'], output: 'v' },
        ...part.nodes,
        { op: 'MatMul', inputs: ['attended', 'wO'], output: 'y' },
      ],
    };
    return prepare(graph, { x });
  }

  const attending = { attention: prepareAttention, layer: prepareLayer, decode: prepareAttention };
  if (attention === 'fused') return { name: 'onnxruntime-web fused', kind: 'peer', operations: attending };

  const product: OnnxNode = { op: 'MatMul', inputs: ['a', 'b'], output: 'y' };
  return {
    name: 'onnxruntime-web',
    kind: 'peer',
    cannot: { trainingStep: 'it has no gradients' },
    operations: {
      ...attending,
      matmul: ({ a, b, m, k, n }) =>
        prepare({ inputs: { a: [m, k], b: [k, n] }, outputs: { y: [m, n] }, nodes: [product] }, { a, b }),
      residentMatmul: ({ a, b, m, k, n }) => {
        const constants = { b: { dims: [k, n], data: b } };
        return prepare({ inputs: { a: [m, k] }, outputs: { y: [m, n] }, constants, nodes: [product] }, { a });
      },
      softmax: ({ x, rows, cols }) => {
        const softmax = { op: 'Softmax', inputs: ['x'], output: 'y', attributes: { axis: { int: 1 } } };
        return prepare({ inputs: { x: [rows, cols] }, outputs: { y: [rows, cols] }, nodes: [softmax] }, { x });
      },
    },
  };
}
