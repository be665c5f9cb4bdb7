import { join } from 'node:path';
import { beforeAll, expect, it } from 'vitest';
import { requireBuilt } from '../support/built.js';
import { node } from '../support/processes.js';
import { projectRoot } from '../support/source-modules.js';

beforeAll(requireBuilt);

/** One block of 500 steps after another, and what the process holds after each, in bytes. */
const PROGRAM = `
  import { AdamW, clipGradNorm, crossEntropy, dropout, Embedding, LayerNorm, Linear, Module, MultiHeadAttention,
    valueAndGrad } from ${JSON.stringify(join(projectRoot, 'dist/index.js'))};
  class Model extends Module {
    embedding = new Embedding(40, 32, { seed: 1 });
    norm = new LayerNorm(32);
    attention = new MultiHeadAttention({ dModel: 32, numHeads: 4, causal: true, rope: true, dropout: 0.1, seed: 2 });
    head = new Linear(32, 40, { seed: 3 });
    forward(ids) {
      const x = this.embedding.forward(ids);
      return this.head.forward(dropout(x.add(this.attention.forward(this.norm.forward(x))), 0.1, { seed: ids[0] }));
    }
  }
  const model = new Model();
  const optimizer = new AdamW(model.parameters(), { learningRate: 1e-3 });
  const held = [];
  for (let step = 0; step <= 3000; step++) {
    const ids = Array.from({ length: 65 }, (_, i) => (step * 7 + i * i) % 40);
    const { gradients } = valueAndGrad(() => crossEntropy(model.forward(ids.slice(0, -1)), ids.slice(1)));
    clipGradNorm(gradients, 1);
    optimizer.step(gradients);
    if (step > 0 && step % 500 === 0) {
      // The collector sweeps array buffers on another thread, some time after gc() returns: the least of several looks counts.
      let least = Infinity;
      for (let look = 0; look < 20; look++) {
        globalThis.gc();
        await new Promise((resolve) => setTimeout(resolve, 5));
        const { heapUsed, arrayBuffers } = process.memoryUsage();
        least = Math.min(least, heapUsed + arrayBuffers);
      }
      held.push(least);
    }
  }
  console.log(JSON.stringify(held));
`;

it('3 000 training steps hold no more memory at their end than after 1 000', { timeout: 120_000 }, () => {
  const { code, stdout, stderr } = node(['--expose-gc', '--input-type=module', '-e', PROGRAM], projectRoot);
  expect(code, stderr).toBe(0);
  const held: number[] = JSON.parse(stdout);
  expect(held).toHaveLength(6);
  // The engine compiles for the first thousand (200 KB); from there to 6 000 it stays within 130 KB. A leak of one float32 a
  // step and token, of the 64 there are, would be 512 KB in 2000 steps.
  expect(held[5] - held[1], held.join(' ')).toBeLessThan(256 * 1024);
});
