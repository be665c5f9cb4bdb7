import { describe, kindError, requireBoolean } from '../core/errors.js';
import { requireOptions } from '../core/options.js';

/** Which products have a bias: true = all, false = none, an object = those whose parameter is true in it. */
export type Biases<Name extends string> = boolean | { readonly [name in Name]?: boolean };

export const PROJECTION_BIASES = ['b_Q', 'b_K', 'b_V'] as const;
export const ATTENTION_BIASES = ['b_Q', 'b_K', 'b_V', 'b_O'] as const;
export const FEED_FORWARD_BIASES = ['b_1', 'b_2', 'b_3'] as const;

export const BLOCK_BIASES = /* @__PURE__ */ (() => [...ATTENTION_BIASES, ...FEED_FORWARD_BIASES] as const)();

export function requireBiases(where: string, bias: unknown, names: readonly string[]): void {
  if (bias === undefined || typeof bias === 'boolean') return;
  if (Object.prototype.toString.call(bias) !== '[object Object]') {
    throw kindError(where, `bias must be true, false or an object of ${names.join(', ')}`, `got ${describe(bias)}`);
  }
  requireOptions(`${where}.bias`, bias, names);
  for (const [name, value] of Object.entries(bias as object)) {
    if (value !== undefined) requireBoolean(where, `bias.${name}`, value);
  }
}

export function hasBias<Name extends string>(bias: Biases<Name> | undefined, name: Name): boolean {
  return (typeof bias === 'object' ? bias[name] : bias) ?? false;
}

export function biasesFrom<Name extends string>(names: readonly Name[], has: (name: Name) => boolean): Biases<Name> {
  return Object.fromEntries(names.map((name) => [name, has(name)])) as Record<Name, boolean>;
}
