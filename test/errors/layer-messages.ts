import {
  Embedding,
  LayerNorm,
  Linear,
  Matrix,
  Module,
  RMSNorm,
  ShapeError,
  type StoredTensor,
} from '../../src/index.js';
import { anything, type BadCall } from './bad-call.js';

const wide = new Matrix(5, 6);
const embedding = new Embedding(6, 4, { seed: 1 });
const linear = new Linear(4, 2, { seed: 1 });

/** The state of a Linear with its only tensor changed. */
function loaded(changes: Record<string, unknown>): () => unknown {
  const tensor = { dtype: 'F32', shape: [4, 2], data: new Float32Array(8), ...changes } as unknown as StoredTensor;
  return () => linear.loadStateDict(new Map([['W', tensor]]));
}

const LOAD = 'Module.loadStateDict';

export const layerMessages: readonly BadCall[] = [
  // Embedding, Linear, norms.
  [
    'new Embedding',
    () => new Embedding(0, 4),
    ShapeError,
    'Embedding: numEmbeddings must be an integer of at least 1: got 0',
  ],
  [
    'new Embedding',
    () => new Embedding(6, 4, { paddingIndex: 6 }),
    ShapeError,
    'Embedding: paddingIndex must be an integer from 0 to 5: got 6',
  ],
  [
    'new Embedding',
    () => new Embedding(2 ** 20, 2 ** 20),
    ShapeError,
    'Embedding: table must have at most 2147483647 rows, columns and entries: got 1048576×1048576',
  ],
  ['new Embedding', () => new Embedding(6, anything('4')), TypeError, 'Embedding: dModel must be a number: got "4"'],
  [
    'new Embedding',
    () => new Embedding(6, 4, anything({ paddingIdx: 0 })),
    TypeError,
    'Embedding: every option must be known: got "paddingIdx" (did you mean paddingIndex?)',
  ],
  [
    'Embedding.forward',
    () => embedding.forward([0, 6]),
    ShapeError,
    'Embedding: ids must be integers from 0 to 5: ids[1] is 6',
  ],
  [
    'Embedding.forward',
    () => embedding.forward([-1]),
    ShapeError,
    'Embedding: ids must be integers from 0 to 5: ids[0] is -1',
  ],
  [
    'Embedding.forward',
    () => embedding.forward([0.5]),
    ShapeError,
    'Embedding: ids must be integers from 0 to 5: ids[0] is 0.5',
  ],
  [
    'Embedding.forward',
    () => embedding.forward([0, anything('1')]),
    TypeError,
    'Embedding: ids[1] must be a number: got "1"',
  ],
  [
    'Embedding.forward',
    () => embedding.forward(anything('hello')),
    TypeError,
    'Embedding: ids must be an array or a typed array: got "hello"',
  ],
  ['new Linear', () => new Linear(4, -2), ShapeError, 'Linear: outputs must be an integer of at least 1: got -2'],
  [
    'new Linear',
    () => new Linear(1e9, 1e9),
    ShapeError,
    'Linear: W must have at most 2147483647 rows, columns and entries: got 1000000000×1000000000',
  ],
  [
    'new Linear',
    () => new Linear(4, 2, { init: anything('he') }),
    ShapeError,
    `Linear: init must be 'xavier' or 'torch': got "he"`,
  ],
  [
    'new Linear',
    () => new Linear(4, 2, { bias: anything('yes') }),
    TypeError,
    'Linear: bias must be true or false: got "yes"',
  ],
  [
    'new Linear',
    () => new Linear(4, 2, anything({ biass: true })),
    TypeError,
    'Linear: every option must be known: got "biass" (did you mean bias?)',
  ],
  ['Linear.forward', () => linear.forward(wide), ShapeError, 'Linear: x must have inputs = 4 columns: x is 5×6'],
  [
    'Linear.forward',
    () => linear.forward(anything([1, 2, 3, 4])),
    TypeError,
    'Linear: x must be a Matrix: got [1, 2, 3, 4]',
  ],
  ['new LayerNorm', () => new LayerNorm(0), ShapeError, 'LayerNorm: dModel must be an integer of at least 1: got 0'],
  [
    'new LayerNorm',
    () => new LayerNorm(2 ** 31),
    ShapeError,
    'LayerNorm: gain must have at most 2147483647 rows, columns and entries: got 1×2147483648',
  ],
  [
    'new LayerNorm',
    () => new LayerNorm(4, anything(1e-5)),
    TypeError,
    'LayerNorm: options must be an object: got 0.00001',
  ],
  [
    'LayerNorm.forward',
    () => new LayerNorm(4).forward(wide),
    ShapeError,
    'LayerNorm: x must have dModel = 4 columns: x is 5×6',
  ],
  [
    'LayerNorm.forward',
    () => new LayerNorm(4).forward(anything(undefined)),
    TypeError,
    'LayerNorm: x must be a Matrix: got undefined',
  ],
  [
    'new RMSNorm',
    () => new RMSNorm(4, { epsilon: Number.NaN }),
    ShapeError,
    'RMSNorm: epsilon must be a finite number of at least 0: got NaN',
  ],
  ['new RMSNorm', () => new RMSNorm(anything(null)), TypeError, 'RMSNorm: dModel must be a number: got null'],
  [
    'RMSNorm.forward',
    () => new RMSNorm(4).forward(wide),
    ShapeError,
    'RMSNorm: x must have dModel = 4 columns: x is 5×6',
  ],
  [
    'RMSNorm.forward',
    () => new RMSNorm(4).forward(anything({ rows: 5, cols: 4 })),
    TypeError,
    'RMSNorm: x must be a Matrix: got an object',
  ],
  // Modules.
  ['Module.train', () => linear.train(anything('yes')), TypeError, 'Linear.train: on must be true or false: got "yes"'],
  [
    LOAD,
    () => linear.loadStateDict(new Map()),
    ShapeError,
    'Linear.loadStateDict: the state must have exactly the names of stateDict(): missing W; unknown none',
  ],
  [
    LOAD,
    () => linear.loadStateDict(new Map([['w', anything(1)]])),
    ShapeError,
    'Linear.loadStateDict: the state must have exactly the names of stateDict(): missing W; unknown w',
  ],
  [
    LOAD,
    () => linear.loadStateDict(new Map([[anything(Symbol('W')), anything(1)]])),
    ShapeError,
    'Linear.loadStateDict: the state must have exactly the names of stateDict(): missing W; unknown a symbol',
  ],
  [LOAD, loaded({ shape: [2, 4] }), ShapeError, 'Linear.loadStateDict: W must have shape [4, 2]: got [2, 4]'],
  [LOAD, loaded({ shape: [4, 2, 1] }), ShapeError, 'Linear.loadStateDict: W must have shape [4, 2]: got [4, 2, 1]'],
  [
    LOAD,
    loaded({ shape: [Symbol('4'), 2] }),
    ShapeError,
    'Linear.loadStateDict: W must have shape [4, 2]: got [a symbol, 2]',
  ],
  [LOAD, loaded({ data: new Float32Array(7) }), ShapeError, 'Linear.loadStateDict: W must hold 8 numbers: got 7'],
  [
    LOAD,
    loaded({ data: new Float64Array(8) }),
    TypeError,
    `Linear.loadStateDict: W must be { dtype: 'F32', shape, data: Float32Array }: got dtype "F32", shape [4, 2], data [0, 0, 0, 0, 0, 0, 0, 0]`,
  ],
  [
    LOAD,
    loaded({ dtype: 'F16' }),
    TypeError,
    `Linear.loadStateDict: W must be { dtype: 'F32', shape, data: Float32Array }: got dtype "F16", shape [4, 2], data [0, 0, 0, 0, 0, 0, 0, 0]`,
  ],
  [
    LOAD,
    () => linear.loadStateDict(new Map([['W', anything(null)]])),
    TypeError,
    "Linear.loadStateDict: W must be { dtype: 'F32', shape, data: Float32Array }: got dtype undefined, shape undefined, data undefined",
  ],
  [
    LOAD,
    () => linear.loadStateDict(anything({ W: 1 })),
    TypeError,
    'Linear.loadStateDict: the state must be a Map of tensors: got an object',
  ],
  [
    LOAD,
    () => new (class extends Module {})().loadStateDict(anything([])),
    TypeError,
    'Module.loadStateDict: the state must be a Map of tensors: got []',
  ],
];
