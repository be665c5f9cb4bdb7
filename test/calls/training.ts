import {
  Adam,
  type AdamOptions,
  AdamW,
  type ClipGradNormOptions,
  type CosineScheduleOptions,
  clipGradNorm,
  type GradCheckOptions,
  Matrix,
  Muon,
  type MuonOptions,
  SGD,
  type SGDOptions,
} from '../../src/index.js';
import { gradientsLike, sparseLike } from '../train/support.js';
import { type Callables, type GoodCall, missing, optioned, type Uses, uses } from './callable.js';
import { square } from './fixtures.js';
import { sample, table } from './plain.js';

const start = sample(4, 2, 1);
const STEPS: readonly { rows: number[]; values: Matrix }[] = [
  { rows: [0, 2], values: sample(2, 2, 2) },
  { rows: [2, 3], values: sample(2, 2, 3) },
  { rows: [1, 2], values: sample(2, 2, 4) },
];

/** The table after three steps, each of which reads two of its rows. */
function trained(make: (parameters: Matrix[]) => SGD | Adam | AdamW): Matrix {
  const p = start.scale(1); // 64-bit storage where the oracle computes
  const optimizer = make([p]);
  for (const { rows, values } of STEPS) optimizer.step(sparseLike(p, rows, values));
  return p;
}

/** The same by hand: `update` moves one entry by its gradient in step t, and keeps what it likes in `kept`. */
function byHand(rowUpdates: string | undefined, update: (p: number, g: number, t: number, kept: number[]) => number) {
  return table(4, 2, (row, col) => {
    const kept = [0, 0];
    return STEPS.reduce(
      (p, { rows, values }, step) => {
        const i = rows.indexOf(row);
        if (i === -1 && rowUpdates !== 'dense') return p;
        return update(p, i === -1 ? 0 : values.get(i, col), step + 1, kept);
      },
      start.get(row, col),
    );
  });
}

function plainSGD({ learningRate = 1e-3, momentum = 0, nesterov = false, weightDecay = 0, rowUpdates }: SGDOptions) {
  return byHand(rowUpdates, (p, gradient, _, kept) => {
    const g = gradient + weightDecay * p;
    kept[0] = momentum * kept[0] + g;
    return p - learningRate * (nesterov ? g + momentum * kept[0] : kept[0]);
  });
}

function plainAdam(options: AdamOptions, isDecoupled: boolean) {
  const { learningRate = 1e-3, betas: [b1, b2] = [0.9, 0.999], epsilon = 1e-8, rowUpdates } = options;
  const { weightDecay = isDecoupled ? 0.01 : 0 } = options;
  return byHand(rowUpdates, (p, gradient, t, kept) => {
    const g = gradient + (isDecoupled ? 0 : weightDecay * p);
    kept[0] = b1 * kept[0] + (1 - b1) * g;
    kept[1] = b2 * kept[1] + (1 - b2) * g ** 2;
    const shrunk = isDecoupled ? p * (1 - learningRate * weightDecay) : p;
    return shrunk - (learningRate * (kept[0] / (1 - b1 ** t))) / (Math.sqrt(kept[1] / (1 - b2 ** t)) + epsilon);
  });
}

const sgd: Uses<SGDOptions> = {
  learningRate: [
    { value: 0.3, base: { learningRate: missing }, expected: plainSGD },
    { value: 0, expected: () => start },
  ],
  momentum: [{ value: 0.7, expected: plainSGD }],
  nesterov: [{ value: true, base: { learningRate: 0.1, momentum: 0.7 }, expected: plainSGD }],
  weightDecay: [{ value: 0.2, expected: plainSGD }],
  rowUpdates: [{ value: 'dense', base: { learningRate: 0.1, momentum: 0.7, weightDecay: 0.2 }, expected: plainSGD }],
};

function adam(isDecoupled: boolean): Uses<AdamOptions> {
  const expected = (options: AdamOptions) => plainAdam(options, isDecoupled);
  return {
    learningRate: [
      { value: 0.3, base: { learningRate: missing }, expected },
      { value: 0, expected: () => start },
    ],
    betas: [
      { value: [0.5, 0.75], expected },
      { value: [0, 0], expected },
    ],
    epsilon: [{ value: 0.1, expected }],
    weightDecay: [
      { value: 0.2, expected },
      { value: 0.2, base: { learningRate: 0.1, rowUpdates: 'dense' }, expected },
      { value: isDecoupled ? 0 : 0.5, expected },
    ],
    rowUpdates: [{ value: 'dense', expected }],
  };
}

const MUON_GRADIENTS = [sample(4, 2, 5), sample(4, 2, 6)];

/** A matrix after two steps. */
function muonStep(options: MuonOptions): Matrix {
  const p = start.scale(1);
  const optimizer = new Muon([p], options);
  for (const gradient of MUON_GRADIENTS) optimizer.step(gradientsLike([p, gradient]));
  return p;
}

/** The same from the definition, which does not turn the matrix to its shorter side. */
function plainMuon(options: MuonOptions): Matrix {
  const { learningRate = 1e-3, momentum: beta = 0.95, nesterov = true, weightDecay = 0.1, epsilon = 1e-7 } = options;
  const { iterations = 5, coefficients: [a, b, c] = [3.4445, -4.775, 2.0315], rateAdjustment } = options;
  let [p, mean] = [start, start.scale(0)];
  for (const g of MUON_GRADIENTS) {
    mean = mean.scale(beta).add(g.scale(1 - beta));
    let x = nesterov ? g.scale(1 - beta).add(mean.scale(beta)) : mean;
    x = x.scale(1 / Math.max(Math.hypot(...x.data), epsilon));
    for (let i = 0; i < iterations; i++) {
      const s = x.matmul(x, { transposeB: true });
      x = x.scale(a).add(s.matmul(x).scale(b)).add(s.matmul(s).matmul(x).scale(c));
    }
    const ratio = rateAdjustment === 'matchAdamW' ? 0.2 * Math.sqrt(4) : 1; // 4 × 2: as many outputs as inputs, or fewer
    p = p.scale(1 - learningRate * weightDecay).subtract(x.scale(learningRate * ratio));
  }
  return p;
}

const STEPS_OF_SCHEDULE = [0, 1, 2, 3, 5, 8, 9];

function plainRates({ learningRate, warmupSteps, totalSteps, minimum = 0 }: CosineScheduleOptions): number[] {
  return STEPS_OF_SCHEDULE.map((step) => {
    if (step < warmupSteps) return (learningRate * step) / warmupSteps;
    const progress = Math.min(1, (step - warmupSteps) / (totalSteps - warmupSteps));
    return minimum + ((learningRate - minimum) * (1 + Math.cos(Math.PI * progress))) / 2;
  });
}

const schedule = (options: Partial<CosineScheduleOptions>) => options as CosineScheduleOptions;

const [a, b] = [Matrix.from([[3, 4]]), Matrix.from([[5, 12]])];
const two = () => gradientsLike([a, a], [b, b]);

const rate = { learningRate: 0.1 };
const momentum = { learningRate: 0.1, momentum: 0.9 };

/** An optimizer that has made one step, with a gradient for the next, and its state. */
function afterStep(
  Optimizer: new (parameters: Matrix[], options: SGDOptions & AdamOptions) => SGD | Adam | AdamW,
  options: SGDOptions,
) {
  const p = square();
  const gradients = gradientsLike([p, square()]);
  const self = new Optimizer([p], options);
  self.step(gradients);
  const call = (args: unknown[]): GoodCall => ({ self, args, hidden: () => [p, self.stateDict()] });
  return { step: call([gradients]), load: call([self.stateDict()]) };
}

export const training: Callables = {
  'new SGD': {
    works: () => ({ args: [[square()], momentum] }),
    options: uses<SGDOptions>(rate, (o) => trained((ps) => new SGD(ps, o)), sgd),
  },
  'new Adam': {
    works: () => ({ args: [[square()], rate] }),
    options: uses<AdamOptions>(rate, (o) => trained((ps) => new Adam(ps, o)), adam(false)),
  },
  'new AdamW': {
    works: () => ({ args: [[square()], rate] }),
    options: uses<AdamOptions>(rate, (o) => trained((ps) => new AdamW(ps, o)), adam(true)),
  },
  'new Muon': {
    works: () => ({ args: [[square()], rate] }),
    options: uses<MuonOptions>(rate, muonStep, {
      learningRate: [{ value: 0.3, expected: plainMuon }],
      momentum: [{ value: 0.5, expected: plainMuon }],
      nesterov: [{ value: false, expected: plainMuon }],
      weightDecay: [{ value: 0.4, expected: plainMuon }],
      epsilon: [{ value: 100, expected: plainMuon }],
      iterations: [{ value: 2, expected: plainMuon }],
      coefficients: [{ value: [2, -1.5, 0.5], expected: plainMuon }],
      rateAdjustment: [{ value: 'matchAdamW', expected: plainMuon }],
    }),
  },
  'Optimizer.step': () => afterStep(AdamW, rate).step,
  'Optimizer.loadStateDict': () => afterStep(SGD, momentum).load,
  clipGradNorm: {
    works: () => ({ args: [gradientsLike([square(), square()]), 1, {}] }),
    options: uses<ClipGradNormOptions>({}, (o) => clipGradNorm(two(), 1, o).norm, {
      parameters: [
        { value: [a], expected: () => 5 },
        { value: [], expected: () => 0 },
      ],
    }),
  },
  cosineSchedule: optioned<CosineScheduleOptions, (step: number) => number>(
    () => ({ args: [{ learningRate: 2, warmupSteps: 2, totalSteps: 8 }] }),
    {
      learningRate: [{ value: 0.5, base: schedule({ learningRate: undefined }), needed: true, expected: plainRates }],
      warmupSteps: [{ value: 3, base: schedule({ warmupSteps: undefined }), needed: true, expected: plainRates }],
      totalSteps: [{ value: 9, base: schedule({ totalSteps: undefined }), needed: true, expected: plainRates }],
      minimum: [{ value: 0.25, expected: plainRates }],
    },
    (rateOf) => STEPS_OF_SCHEDULE.map(rateOf),
  ),
  gradCheck: optioned<GradCheckOptions>(() => ({ args: [(x: Matrix) => x.exp().sum(), [sample(4, 2, 1)], {}] }), {
    tolerance: [{ value: 1e-20 }],
    step: [{ value: 0.5 }],
    maxEntries: [{ value: 3 }],
    seed: [{ value: 7, base: { maxEntries: 2 } }],
  }),
};
