import * as qkv from '../../src/index.js';
import {
  Adam,
  AdamW,
  CausalLM,
  Embedding,
  FeedForward,
  KVCache,
  LayerNorm,
  LearnedPositions,
  Linear,
  Matrix,
  type Module,
  MultiHeadAttention,
  pack,
  RMSNorm,
  SelfAttention,
  SGD,
  TransformerBlock,
  writeSafetensors,
} from '../../src/index.js';
import { gradientsLike } from '../train/support.js';

/** A call that works: the object of a method, and an argument for every parameter that a bad one can replace. */
export interface GoodCall {
  self?: object;
  args: unknown[];
  /** What a refused call must leave alone and no property shows. */
  hidden?: () => unknown;
}

const x = () => Matrix.randomUniform(5, 4, { seed: 1 });
const square = () => Matrix.randomUniform(3, 3, { seed: 2 });
const row = () => Matrix.randomUniform(1, 4, { seed: 3 });
const gradients = () => qkv.valueAndGrad(() => square().sum()).gradients;
const onSquare = (...args: unknown[]) => ({ self: square(), args });

// Layers draw their seeds and drop: a refused call that draws or counts all the same is seen.
const selfAttention = () => new SelfAttention({ dModel: 4, numHeads: 2, dropout: 0.5 });
const multiHead = () =>
  new MultiHeadAttention({ dModel: 4, numHeads: 2, dropout: 0.5, rope: true, addZeroAttention: true });

function onCache(...args: unknown[]): GoodCall {
  const self = new KVCache({ capacity: 4, dK: 2, numKvHeads: 2 });
  self.append(Matrix.randomUniform(3, 4, { seed: 3 }), Matrix.randomUniform(3, 4, { seed: 4 }));
  const hidden = () => [self.length, self.attend(Matrix.randomUniform(1, 4, { seed: 6 }))];
  return { self, args, hidden };
}

/** An optimiser that has made one step, with a gradient for the next. */
function onOptimiser(make: (parameters: Matrix[]) => SGD | Adam | AdamW) {
  const p = square();
  const gradients = gradientsLike([p, square()]);
  const self = make([p]);
  self.step(gradients);
  const call = (args: unknown[]): GoodCall => ({ self, args, hidden: () => [p, self.stateDict()] });
  return { step: () => call([gradients]), load: () => call([self.stateDict()]) };
}

const momentum = { learningRate: 0.1, momentum: 0.9 };
const sgd = () => onOptimiser((parameters) => new SGD(parameters, momentum));
const adam = () => onOptimiser((parameters) => new Adam(parameters, { learningRate: 0.1 }));
const adamW = () => onOptimiser((parameters) => new AdamW(parameters, { learningRate: 0.1 }));

const feedForward = () => new FeedForward({ dModel: 4, dHidden: 6, dropout: 0.5 });
const block = () => new TransformerBlock({ dModel: 4, numHeads: 2, dHidden: 6, dropout: 0.5, rope: true });
const MODEL = { vocabularySize: 6, dModel: 4, numLayers: 1, numHeads: 2 };

const model = () => new CausalLM({ ...MODEL, dropout: 0.5 });
const llama = () => new CausalLM({ ...MODEL, dropout: 0.5, activation: 'swiglu', norm: 'rms' });

/** A step of rows, and what the caches hold. */
function onSteps(self: object, [rows, makeCaches]: [unknown, () => KVCache | KVCache[]]): GoodCall {
  const caches = makeCaches();
  const hidden = () => [caches].flat().map(({ position }) => position);
  return { self, args: [rows, caches, {}], hidden };
}

const inContext = () => ({ context: { key: x(), value: x() } });

/** One good call of every public callable that has parameters. */
export const GOOD_CALLS: Record<string, () => GoodCall> = {
  isQkvError: () => ({ args: [new Error('x')] }),
  cuSeqlensFromLengths: () => ({ args: [[2, 3]] }),
  toBertViz: () => ({ args: [square(), {}] }),
  heatmapAnsi: () => ({ args: [square(), {}] }),
  heatmapSvg: () => ({ args: [square(), {}] }),
  setKernels: () => ({ args: ['reference'] }),
  setSeed: () => ({ args: [3] }),
  valueAndGrad: () => ({ args: [() => square().sum(), { of: [] }] }),
  noGrad: () => ({ args: [() => 1] }),
  customGradient: () => ({ args: [(a: Matrix) => a, (d: Matrix) => [d]] }),
  'Gradients.get': () => ({ self: gradients(), args: [square()] }),
  'Gradients.add': () => ({ self: gradients(), args: [gradients()] }),
  'Gradients.scale': () => ({ self: gradients(), args: [2] }),
  logSoftmax: () => ({ args: [x()] }),
  dropout: () => ({ args: [x(), 0.5, {}] }),
  crossEntropy: () => ({ args: [x(), [0, 3, -100, 1, 2], {}] }),
  meanSquaredError: () => ({ args: [square(), square()] }),
  readSafetensors: () => ({ args: [writeSafetensors(new Linear(2, 3).stateDict())] }),
  writeSafetensors: () => ({ args: [new Linear(2, 3).stateDict(), { step: '7' }] }),
  'new Matrix': () => ({ args: [2, 3, new Float32Array(6)] }),
  'new Parameter': () => ({ args: [2, 3, new Float32Array(6)] }),
  'Matrix.zeros': () => ({ args: [2, 3] }),
  'Matrix.from': () => ({
    args: [
      [
        [1, 2],
        [3, 4],
      ],
    ],
  }),
  'Matrix.identity': () => ({ args: [3] }),
  'Matrix.randomNormal': () => ({ args: [2, 3, {}] }),
  'Matrix.randomUniform': () => ({ args: [2, 3, {}] }),
  'Parameter.zeros': () => ({ args: [2, 3] }),
  'Parameter.from': () => ({ args: [[[1, 2]]] }),
  'Parameter.identity': () => ({ args: [3] }),
  'Parameter.randomNormal': () => ({ args: [2, 3, {}] }),
  'Parameter.randomUniform': () => ({ args: [2, 3, {}] }),
  'Matrix.concatRows': () => ({ args: [[square(), square()]] }),
  'Matrix.concatColumns': () => ({ args: [[square(), square()]] }),
  'Matrix.get': () => onSquare(1, 2),
  'Matrix.set': () => onSquare(1, 2, 5),
  'Matrix.row': () => onSquare(1),
  'Matrix.matmul': () => onSquare(square(), {}),
  'Matrix.scale': () => onSquare(2),
  'Matrix.add': () => onSquare(square()),
  'Matrix.subtract': () => onSquare(square()),
  'Matrix.multiply': () => onSquare(square()),
  'Matrix.divide': () => onSquare(square()),
  'Matrix.sliceRows': () => onSquare(1, 2),
  'Matrix.sliceColumns': () => onSquare(1, 2),
  'new Embedding': () => ({ args: [6, 4, {}] }),
  'Embedding.forward': () => ({ self: new Embedding(6, 4), args: [[0, 5, 2]] }),
  'new Linear': () => ({ args: [4, 2, {}] }),
  'Linear.forward': () => ({ self: new Linear(4, 2), args: [x()] }),
  'Module.loadStateDict': () => {
    const self: Module = new Linear(4, 2, { bias: true });
    return { self, args: [new Linear(4, 2, { bias: true }).stateDict()] };
  },
  'Module.loadDropoutState': () => ({ self: block() as Module, args: [block().dropoutState()] }),
  'Module.train': () => ({ self: multiHead().eval(), args: [true] }),
  'new MultiHeadAttention': () => ({ args: [{ dModel: 4, numHeads: 2 }] }),
  'MultiHeadAttention.forward': () => ({ self: multiHead(), args: [x(), inContext()] }),
  'MultiHeadAttention.attentionWeights': () => ({ self: multiHead(), args: [x(), inContext()] }),
  'MultiHeadAttention.createCache': () => ({ self: multiHead(), args: [{ capacity: 4 }] }),
  'MultiHeadAttention.step': () => onSteps(multiHead(), [x(), () => multiHead().createCache({ capacity: 9 })]),
  permuteRotary: () => ({ args: [x(), { numHeads: 2, from: 'interleaved', to: 'half-split' }] }),
  'MultiHeadAttention.addHook': () => ({ self: multiHead(), args: ['hook_q', () => undefined, {}] }),
  'MultiHeadAttention.fromTorch': () => ({ args: [multiHead().toTorch(), { numHeads: 2 }] }),
  'MultiHeadAttention.toTorch': () => ({ self: multiHead(), args: [{}] }),
  maskFromTorchMHA: () => ({ args: [new Uint8Array(4)] }),
  'new KVCache': () => ({ args: [{ capacity: 4, dK: 2 }] }),
  'KVCache.append': () => onCache(new Matrix(1, 4), new Matrix(1, 4)),
  'KVCache.attend': () => onCache(Matrix.randomUniform(2, 4, { seed: 5 }), { dropout: 0.5 }),
  'KVCache.truncate': () => onCache(2),
  'new FeedForward': () => ({ args: [{ dModel: 4, dHidden: 6 }] }),
  'FeedForward.forward': () => ({ self: feedForward(), args: [x()] }),
  'new LearnedPositions': () => ({ args: [6, 4, {}] }),
  'LearnedPositions.forward': () => ({ self: new LearnedPositions(6, 4), args: [[0, 5, 2]] }),
  'new TransformerBlock': () => ({ args: [{ dModel: 4, numHeads: 2, dHidden: 6 }] }),
  'TransformerBlock.forward': () => ({ self: block(), args: [x(), {}] }),
  'TransformerBlock.createCache': () => ({ self: block(), args: [{ capacity: 4 }] }),
  'TransformerBlock.fromTorch': () => ({ args: [block().toTorch(), { numHeads: 2 }] }),
  'TransformerBlock.toTorch': () => ({ self: block(), args: [{}] }),
  'TransformerBlock.step': () => onSteps(block(), [x(), () => block().createCache({ capacity: 9 })]),
  'CausalLM.createCaches': () => ({ self: model(), args: [{ capacity: 4 }] }),
  'CausalLM.fromTorch': () => ({ args: [llama().toTorch(), { numHeads: 2 }] }),
  'CausalLM.toTorch': () => ({ self: llama(), args: [{}] }),
  'CausalLM.step': () => onSteps(model(), [[0, 5, 2], () => model().createCaches({ capacity: 9 })]),
  'CausalLM.generate': () => ({ self: model(), args: [[0, 5, 2], { maxTokens: 2 }] }),
  'new CausalLM': () => ({ args: [MODEL] }),
  'CausalLM.forward': () => ({ self: new CausalLM({ ...MODEL, dropout: 0.5, capacity: 8 }), args: [[0, 5, 2], {}] }),
  'new LayerNorm': () => ({ args: [4, {}] }),
  'LayerNorm.forward': () => ({ self: new LayerNorm(4), args: [x()] }),
  'new RMSNorm': () => ({ args: [4, {}] }),
  'RMSNorm.forward': () => ({ self: new RMSNorm(4), args: [x()] }),
  'new SelfAttention': () => ({ args: [{ dModel: 4 }] }),
  'SelfAttention.forward': () => ({ self: selfAttention(), args: [x(), {}] }),
  'SelfAttention.attentionWeights': () => ({ self: selfAttention(), args: [x(), {}] }),
  'SelfAttention.trace': () => ({ self: selfAttention(), args: [x(), {}] }),
  gelu: () => ({ args: [x(), {}] }),
  relu: () => ({ args: [x()] }),
  silu: () => ({ args: [x()] }),
  attentionLogSumExp: () => ({ args: [x(), x(), {}] }),
  attentionWeights: () => ({ args: [x(), x(), {}] }),
  scaledDotProductAttention: () => ({ args: [x(), x(), x(), { dropout: 0.5 }] }),
  layerNorm: () => ({ args: [x(), row(), row(), {}] }),
  rmsNorm: () => ({ args: [x(), row(), {}] }),
  pack: () => ({ args: [[x(), x()]] }),
  unpack: () => {
    const { packed, cuSeqlens } = pack([x(), x()]);
    return { args: [packed, cuSeqlens] };
  },
  'new SGD': () => ({ args: [[square()], momentum] }),
  'SGD.step': () => sgd().step(),
  'SGD.loadStateDict': () => sgd().load(),
  'new Adam': () => ({ args: [[square()], { learningRate: 0.1 }] }),
  'Adam.step': () => adam().step(),
  'Adam.loadStateDict': () => adam().load(),
  'new AdamW': () => ({ args: [[square()], { learningRate: 0.1 }] }),
  'AdamW.step': () => adamW().step(),
  'AdamW.loadStateDict': () => adamW().load(),
  clipGradNorm: () => ({ args: [gradientsLike([square(), square()]), 1, {}] }),
  cosineSchedule: () => ({ args: [{ learningRate: 1, warmupSteps: 2, totalSteps: 8 }] }),
  gradCheck: () => ({ args: [(m: Matrix) => m.exp().sum(), [square()], {}] }),
  sinusoidalPositions: () => ({ args: [3, 4, {}] }),
  rotary: () => ({ args: [x(), { numHeads: 2 }] }),
};

/** Calls a public callable by its name in the list. */
export function invoke(name: string, { self, args }: GoodCall): unknown {
  const surface = qkv as unknown as Record<string, object>;
  const [owner, member] = name.replace(/^new /, '').split('.');
  if (name.startsWith('new ')) return Reflect.construct(surface[owner] as new () => unknown, args);
  const holder = member === undefined ? surface : (self ?? surface[owner]);
  const callee = (holder as Record<string, (...args: unknown[]) => unknown>)[member ?? owner];
  return callee.apply(holder, args);
}
