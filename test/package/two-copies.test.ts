import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { requireBuilt } from '../support/built.js';
import { node } from '../support/processes.js';
import { projectRoot } from '../support/source-modules.js';
import { makeFolder, removeFolder } from '../support/temporary.js';

// Two copies of the library in one program: what works across them gives the same bits, what cannot says why.

const PROGRAM = `
import * as A from 'COPY_A';
import { createRequire } from 'node:module';
const B = createRequire(import.meta.url)('COPY_B');

const out = {};
const check = (name, f) => {
  try { out[name] = f(); } catch (error) {
    out[name] = { message: error.message, known: [A.isQkvError(error), B.isQkvError(error)],
      shape: [error instanceof A.ShapeError, error instanceof B.ShapeError] };
  }
};
const same = (a, b) => a.rows === b.rows && a.cols === b.cols && a.data.every((v, i) => Object.is(v, b.data[i]));
const x = (Q) => Q.Matrix.randomUniform(3, 4, { seed: 1, low: -1 });
const layer = (Q) => new Q.MultiHeadAttention({ dModel: 4, numHeads: 2, seed: 1 });
const find = (Q, p, input) => Q.valueAndGrad(() => Q.Matrix.identity(3).matmul(input).matmul(p).tanh().sum()).gradients;
const weights = (Q) => new Q.Parameter(4, 4, x(Q).matmul(x(Q), { transposeA: true }).data);

class OfA extends A.Module {
  mine = new A.Linear(4, 4, { seed: 1 });
  theirs = new B.Linear(4, 4, { seed: 2 });
  forward(m) { return this.theirs.forward(this.mine.forward(m)); }
}

for (const [name, P, Q] of [['A of B', A, B], ['B of A', B, A]]) {
  const c = (what, f) => check(name + ': ' + what, f);
  c('copies', () => P.Matrix !== Q.Matrix);
  // Work together.
  c('matmul', () => same(x(P).matmul(x(Q), { transposeB: true }), x(P).matmul(x(P), { transposeB: true })));
  c('attention', () => same(P.scaledDotProductAttention(x(Q), x(Q), x(Q), { bias: new Q.Matrix(3, 3) }),
    P.scaledDotProductAttention(x(P), x(P), x(P), { bias: new P.Matrix(3, 3) })));
  c('layer', () => same(layer(P).forward(x(Q), { context: x(Q) }), layer(P).forward(x(P), { context: x(P) })));
  c('parameter', () => same(x(P).matmul(weights(Q)), x(P).matmul(weights(P))));
  c('results outside valueAndGrad', () => same(x(P).add(x(Q).scale(2)), x(P).add(x(P).scale(2))));
  c('lists', () => same(P.pack([x(P), x(Q)]).packed, P.Matrix.concatRows([x(P), x(P)])));
  c('heatmap', () => P.heatmapSvg(x(Q)) === P.heatmapSvg(x(P)));
  c('cache', () => { const cache = new P.KVCache({ capacity: 3, dK: 4 }); cache.append(x(Q), x(Q)); return cache.attend(x(Q)).rows; });
  c('leaf', () => { const m = x(Q); return same(find(P, weights(P), m).get(m), (() => { const n = x(P); return find(P, weights(P), n).get(n); })()); });
  c('training their parameter', () => {
    const [p, q] = [weights(P), weights(Q)];
    new P.Adam([p], { learningRate: 0.1 }).step(find(P, p, x(P)));
    new P.Adam([q], { learningRate: 0.1 }).step(P.clipGradNorm(find(P, q, x(P)), 1e9).gradients);
    return same(p, q);
  });
  c('their gradients', () => {
    const [p, q] = [weights(P), weights(P)];
    new P.SGD([p], { learningRate: 0.1 }).step(find(P, p, x(P)).add(find(P, p, x(P))));
    const other = find(Q, q, x(Q));
    new P.SGD([q], { learningRate: 0.1 }).step(P.clipGradNorm(find(P, q, x(P)).add(other), 1e9).gradients);
    return same(p, q);
  });
  c('gradients.get', () => { const p = weights(P); return find(Q, p, x(Q)).get(p).rows; });
  c('gradCheck', () => P.gradCheck((m) => P.Matrix.identity(3).matmul(m).tanh().sum(), [x(Q)]).ok);
  c('a hook', () => { const l = layer(P); l.addHook('hook_q', (q) => new Q.Matrix(q.rows, q.cols)); return l.forward(x(P)).rows; });
  c('their layer where nothing records', () => same(layer(Q).forward(x(P)), layer(P).forward(x(P))));
  c('their layer in customGradient', () => {
    const m = x(P);
    const f = P.customGradient((a) => layer(Q).forward(a), (d) => [d.scale(2)]);
    return P.valueAndGrad(() => f(m).sum()).gradients.get(m).get(0, 0);
  });
  c('their constant, copied', () => P.valueAndGrad(() => {
    const theirs = P.noGrad(() => layer(Q).forward(x(P)));
    return x(P).add(new P.Matrix(theirs.rows, theirs.cols, theirs.data)).sum();
  }).gradients.entries().next().done === false);
  c('isQkvError', () => [P, Q].map((R) => { try { R.Matrix.from(3); } catch (e) { return [P.isQkvError(e), e instanceof P.ShapeError, e instanceof TypeError]; } }).join());
  c('ShapeError', () => { try { x(Q).matmul(x(Q)); } catch (e) { return e instanceof P.ShapeError && P.isQkvError(e); } });
  c('other errors', () => [new RangeError('x'), new TypeError('a: b must: c'), null, undefined, 'x', {}, { name: 'ShapeError' }].some((e) => P.isQkvError(e) || e instanceof P.ShapeError));
  // Cannot.
  c('! their result in valueAndGrad', () => P.valueAndGrad(() => x(P).add(x(Q).scale(2)).sum()));
  c('! their layer on ours in valueAndGrad', () => P.valueAndGrad(() => layer(Q).forward(x(P)).sum()));
  c('! their embedding in valueAndGrad', () => { const e = new Q.Embedding(6, 4); return P.valueAndGrad(() => layer(P).forward(e.forward([1, 2])).sum()); });
  c('! their loss', () => P.valueAndGrad(() => layer(Q).forward(x(Q)).sum()));
  c('! their cache', () => layer(P).step(x(P), layer(Q).createCache({ capacity: 5 })));
  c('! their caches', () => layer(P).step(x(P), [layer(Q).createCache({ capacity: 5 })]));
  c('! no matrix', () => x(P).add({ rows: 3, cols: 4, data: new Float32Array(12) }));
}

const model = new OfA();
check('names', () => [...model.namedParameters().keys()].join());
check('state', () => { const other = new OfA(); model.theirs.W.data.fill(0.5); other.loadStateDict(model.stateDict()); return other.theirs.W.get(3, 3); });
check('eval', () => { model.eval(); return model.theirs.training; });
check('forward', () => model.forward(x(A)).rows);
check('! training', () => A.valueAndGrad(() => model.forward(x(A)).sum()));
process.stdout.write(JSON.stringify(out));
`;

const LOADED = 'two copies of qkv are loaded, as by import and by require: use one of them';

const CANNOT: Record<string, string> = {
  '! their result in valueAndGrad': `Matrix.add: other must not be computed by another copy of qkv while valueAndGrad runs: what it was computed from would have no gradient (${LOADED}, or for a constant a copy: new Matrix(rows, cols, data))`,
  '! their layer on ours in valueAndGrad': `MultiHeadAttention: x must not come from another copy of qkv while that runs valueAndGrad: it would miss this operation (${LOADED})`,
  '! their embedding in valueAndGrad': `MultiHeadAttention: x must not be computed by another copy of qkv while valueAndGrad runs: what it was computed from would have no gradient (${LOADED}, or for a constant a copy: new Matrix(rows, cols, data))`,
  '! their loss': `valueAndGrad: the result of f must not be computed by another copy of qkv while valueAndGrad runs: what it was computed from would have no gradient (${LOADED}, or for a constant a copy: new Matrix(rows, cols, data))`,
  '! their cache': `MultiHeadAttention.step: caches must be a KVCache or a list of them, each once: got a KVCache of another copy of qkv (${LOADED})`,
  '! their caches': `MultiHeadAttention.step: caches must be a KVCache or a list of them, each once: caches[0] is a KVCache of another copy of qkv (${LOADED})`,
  '! no matrix': 'Matrix.add: other must be a Matrix: got an object',
};

const GIVES: Record<string, unknown> = {
  cache: 3,
  'gradients.get': 4,
  'a hook': 3,
  'their layer in customGradient': 2,
  isQkvError: 'true,false,true,true,false,true',
  'other errors': false,
};

const folder = makeFolder();
beforeAll(requireBuilt);
afterAll(() => removeFolder(folder));

/** One more copy, as a bundler makes it. */
async function bundled(format: 'esm' | 'cjs', name: string): Promise<string> {
  const outfile = join(folder, name);
  const stdin = { contents: "export * from 'qkv';", resolveDir: projectRoot };
  const alias = { qkv: join(projectRoot, 'dist/index.js') };
  await build({ stdin, alias, outfile, format, bundle: true, minify: true, platform: 'node', tsconfigRaw: {} });
  return outfile;
}

describe.each([
  ['import and require', async () => [join(projectRoot, 'dist/index.js'), join(projectRoot, 'dist/index.cjs')]],
  ['two bundles', async () => [await bundled('esm', 'a.mjs'), await bundled('cjs', 'b.cjs')]],
] as const)('%s', (title, copies) => {
  let found: Record<string, unknown>;
  beforeAll(async () => {
    const [a, b] = await copies();
    const file = join(folder, `${title.replaceAll(' ', '-')}.mjs`);
    writeFileSync(file, PROGRAM.replace('COPY_A', a).replace('COPY_B', b));
    const { code, stdout, stderr } = node([file], folder);
    if (code !== 0) throw new Error(stderr);
    found = JSON.parse(stdout);
  });

  it.each(['A of B', 'B of A'])('work together: %s', (direction) => {
    const own = Object.entries(found).filter(([name]) => name.startsWith(`${direction}: `) && !name.includes(': ! '));
    expect(own.length).toBeGreaterThan(18);
    for (const [name, value] of own) expect(value, name).toEqual(GIVES[name.slice(direction.length + 2)] ?? true);
  });

  it.each(['A of B', 'B of A'])('say what they cannot: %s', (direction) => {
    const own = Object.entries(found).filter(([name]) => name.startsWith(`${direction}: ! `));
    expect(own.length).toBe(Object.keys(CANNOT).length);
    for (const [name, value] of own) {
      const message = CANNOT[name.slice(direction.length + 2)];
      expect(value, name).toEqual({ message, known: [true, true], shape: [false, false] });
    }
  });

  it('a layer of the other copy in a Module is found, saved and loaded, runs, and refuses to be left untrained', () => {
    expect(found).toMatchObject({ names: 'mine.W,theirs.W', state: 0.5, eval: false, forward: 3 });
    expect(found['! training']).toMatchObject({
      message: `Linear: x must not come from another copy of qkv while that runs valueAndGrad: it would miss this operation (${LOADED})`,
    });
  });
});
