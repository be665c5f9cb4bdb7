import { kindError } from '../../core/errors.js';

type Stream = AsyncGenerator<number, void, undefined>;

/**
 * Lets tokens be awaited too: that makes all of them, once, however often they are awaited. Who has begun one way is
 * refused the other, which would lack tokens. `return` ends both: what is awaited are then the tokens made so far.
 */
export function streamedOrAwaited(where: string, tokens: Stream): Stream & PromiseLike<number[]> {
  const next = tokens.next.bind(tokens);
  let isStreamed = false;
  let all: Promise<number[]> | undefined;
  const refusal = (given: string) =>
    Promise.reject(kindError(where, 'tokens must be either streamed or awaited', given, 'generate them again'));
  const collected = async () => {
    const ids: number[] = [];
    for (let token = await next(); !token.done; token = await next()) ids.push(token.value);
    return ids;
  };
  const awaited = () => {
    if (isStreamed) return refusal('they are streamed already');
    all ??= collected();
    return all;
  };
  const then: PromiseLike<number[]>['then'] = (...handlers) => awaited().then(...handlers);
  const define = (name: string, value: unknown) => Object.defineProperty(tokens, name, { value });
  define('then', then);
  for (const name of ['next', 'return', 'throw'] as const) {
    const own = tokens[name].bind(tokens) as (given: unknown) => Promise<unknown>;
    define(name, (given: unknown) => {
      if (all !== undefined && name !== 'return') return refusal('they are awaited already');
      isStreamed = all === undefined;
      return own(given);
    });
  }
  return tokens as Stream & PromiseLike<number[]>;
}
