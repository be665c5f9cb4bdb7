import { readdirSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { Matrix } from '../../src/matrix/matrix.js';
import { Table as TableClass } from '../../src/matrix/table.js';
import { ATTENTION_OPTIONS } from '../../src/ops/attention/options.js';
import { differences, expectGradients } from '../support/differences.js';
import { projectRoot } from '../support/source-modules.js';
import type { Table } from '../support/tensor.js';
import { forEachTwin } from '../support/twins.js';
import { ATTENTION_CASES, ATTENTION_GRADIENT_CASES } from './attention-gradient-cases.js';
import { GRADIENT_CASES } from './gradient-cases.js';

const ALL = { ...GRADIENT_CASES, ...ATTENTION_GRADIENT_CASES };

const NO_MATRIX = 'gives numbers, not a matrix';
const NO_INPUT = 'makes a matrix of no other one';
const UPDATES = 'moves parameters in place, between calls of valueAndGrad';
const CHECKS = 'checks and reads arguments';

/** What is called in matrix/matrix.ts and in ops, and has no gradient. */
const ROWS_OF_A_CACHE = 'arrays, which are constants to valueAndGrad';

const NOT_DIFFERENTIABLE: Record<string, string> = {
  'Table.get': NO_MATRIX,
  'Table.set': 'writes: not seen by valueAndGrad, which says so',
  'Table.item': NO_MATRIX,
  'Table.row': NO_MATRIX,
  'Table.toArray': NO_MATRIX,
  'Matrix.allClose': NO_MATRIX,
  'Table.toString': NO_MATRIX,
  'Table.toJSON': NO_MATRIX,
  'Matrix.argmax': NO_MATRIX,
  'Matrix.map': 'nobody knows the slope of f: refused while operations are recorded',
  'Table.zeros': NO_INPUT,
  'Table.ones': NO_INPUT,
  'Table.full': NO_INPUT,
  'Table.from': NO_INPUT,
  'Table.fromFlat': NO_INPUT,
  'Table.fromJSON': NO_INPUT,
  'Table.identity': NO_INPUT,
  'Table.randomNormal': NO_INPUT,
  'Table.randomUniform': NO_INPUT,
  sinusoidalPositions: NO_INPUT,
  attentionWeights: 'for looking, as its comment says',
  attentionStages: 'attentionWeights under another name',
  attend: 'scaledDotProductAttention under another name',
  attentionGradients: 'the backward of attention, not recorded itself',
  'KVCache.append': 'copies: to valueAndGrad the rows of a cache are constants',
  'KVCache.held': 'the parts of KVCache.attend',
  'KVCache.truncate': NO_MATRIX,
  'KVCache.reset': NO_MATRIX,
  'KVCache.fork': NO_INPUT,
  'KVCache.release': NO_MATRIX,
  'KVCache.mark': NO_MATRIX,
  'KVCache.endMark': NO_MATRIX,
  'CacheRows.append': ROWS_OF_A_CACHE,
  'CacheRows.forgetOverwritten': ROWS_OF_A_CACHE,
  'CacheRows.held': ROWS_OF_A_CACHE,
  'CacheRows.inOrder': ROWS_OF_A_CACHE,
  'CacheRows.copyFrom': ROWS_OF_A_CACHE,
  'CacheRows.release': ROWS_OF_A_CACHE,
  'CacheRows.restore': ROWS_OF_A_CACHE,
  'CacheRows.restoreOverwritten': ROWS_OF_A_CACHE,
  withoutPositions: 'options: the attention that takes them has its own cases',
  movedBy: UPDATES,
  momentLike: UPDATES,
  updateSGD: UPDATES,
  updateAdam: UPDATES,
  updateMuon: UPDATES,
  euclideanNorm: UPDATES,
  attendChecked: 'scaledDotProductAttention behind its checks',
  stagesOf: 'attentionWeights behind its checks',
  checkAttention: CHECKS,
  requireStage: CHECKS,
  checkMask: CHECKS,
  checkKeyMask: CHECKS,
  checkBias: CHECKS,
  requireMaskKinds: CHECKS,
  checkHeads: CHECKS,
  optionsOf: CHECKS,
  picked: CHECKS,
  attentionProblem: CHECKS,
  checkLayerOptions: CHECKS,
  checkOffsets: CHECKS,
  checkReach: CHECKS,
  checkAlibi: CHECKS,
  requireRoom: CHECKS,
  checkCacheOptions: CHECKS,
  releasedCache: CHECKS,
  checkHeadList: CHECKS,
  checkRowList: CHECKS,
  rowProblem: CHECKS,
  requireDivisible: CHECKS,
  requireKinds: CHECKS,
  requireAttentionOptions: CHECKS,
  checkDropout: CHECKS,
  dropoutOf: CHECKS,
  checkRope: CHECKS,
  ropeOption: CHECKS,
  checkPositions: CHECKS,
  layerSeed: CHECKS,
  undrawn: CHECKS,
  innerSeed: CHECKS,
  drawsParameters: CHECKS,
  layerRandom: CHECKS,
};

/** Every method and static of Matrix; every function of ops, and every method of its classes. */
async function operations(): Promise<string[]> {
  const names = readdirSync(`${projectRoot}src/ops`, { recursive: true, encoding: 'utf8' });
  const files = names.filter((name) => name.endsWith('.ts'));
  const exported = await Promise.all(files.map((file) => import(`${projectRoot}src/ops/${file}`) as Promise<object>));
  return [TableClass, Matrix, ...exported.flatMap((module) => Object.values(module))].flatMap((value: unknown) => {
    if (typeof value !== 'function') return [];
    return isClass(value) ? methodsOf(value) : [value.name];
  });
}

function isClass(value: object): value is typeof Matrix {
  return /^class\b/.test(Function.prototype.toString.call(value));
}

function methodsOf(own: { name: string; prototype: object }): string[] {
  return [own, own.prototype].flatMap((holder) =>
    Object.entries(Object.getOwnPropertyDescriptors(holder))
      .filter(([name, { value }]) => typeof value === 'function' && name !== 'constructor')
      .map(([name]) => `${own.name}.${name}`),
  );
}

describe('every operation', () => {
  it('has its gradient checked, or a reason why it has none', async () => {
    const found = await operations();
    console.log(`${found.length} operations, ${Object.keys(ALL).length} of them differentiable`);
    expect(found.filter((name) => !(name in ALL) && !(name in NOT_DIFFERENTIABLE))).toEqual([]);
    expect(found.filter((name) => name in ALL && name in NOT_DIFFERENTIABLE)).toEqual([]);
    expect([...Object.keys(ALL), ...Object.keys(NOT_DIFFERENTIABLE)].filter((name) => !found.includes(name))).toEqual(
      [],
    );
  });

  it('of attention has a case for every option', () => {
    const used = Object.values(ATTENTION_CASES).flatMap((one) => Object.keys(one));
    expect(ATTENTION_OPTIONS.filter((name) => !used.includes(name))).toEqual([]);
  });
});

const computed = new Map<string, Table[]>();

forEachTwin((twin) => {
  describe.each(Object.entries(ALL))('the gradient of %s', (name, cases) => {
    it.each(Object.entries(cases))('%s', (title, one) => {
      const key = `${name}, ${title}`;
      const expected = computed.get(key) ?? differences(one);
      computed.set(key, expected);
      expectGradients(one, expected, twin);
    });
  });
});
