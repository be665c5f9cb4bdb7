import { attentionLayerMessages } from './attention-layer-messages.js';
import { attentionMessages } from './attention-messages.js';
import type { BadCall } from './bad-call.js';
import { cacheMessages } from './cache-messages.js';
import { decodingMessages } from './decoding-messages.js';
import { functionMessages } from './function-messages.js';
import { gradientMessages } from './gradient-messages.js';
import { grammarFault } from './grammar.js';
import { ioMessages } from './io-messages.js';
import { layerMessages } from './layer-messages.js';
import { matrixMessages } from './matrix-messages.js';
import { modelMessages } from './model-messages.js';
import { torchMessages } from './torch-messages.js';
import { trainMessages } from './train-messages.js';

/** Every mistake that has its answer written down. Without a test runner: a bundle of it runs against the package. */
export const ALL: readonly BadCall[] = [
  ...matrixMessages,
  ...functionMessages,
  ...attentionMessages,
  ...layerMessages,
  ...attentionLayerMessages,
  ...cacheMessages,
  ...decodingMessages,
  ...modelMessages,
  ...gradientMessages,
  ...ioMessages,
  ...torchMessages,
  ...trainMessages,
];

/** What is wrong with the answer to a mistake, or undefined. */
export function faultOf([name, call, kind, message]: BadCall): string | undefined {
  let error: Error;
  try {
    call();
    return `${name} threw nothing, expected ${message}`;
  } catch (thrown) {
    error = thrown as Error;
  }
  if (error.message !== message) return `${name} threw ${error.message}, expected ${message}`;
  if (error.constructor !== kind) return `${name} threw a ${error.name}: ${message}`;
  const fault = grammarFault(error);
  return fault === undefined ? undefined : `${name} threw ${fault}`;
}
