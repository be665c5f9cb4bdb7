import { attentionCases } from './attention-cases.js';
import { cacheCases } from './cache-cases.js';
import type { OptionCase } from './case.js';
import { decodingCases } from './decoding-cases.js';
import { gradientCases } from './gradient-cases.js';
import { heatmapCases } from './heatmap-cases.js';
import { layerCases } from './layer-cases.js';
import { matrixCases } from './matrix-cases.js';
import { modelCases } from './model-cases.js';
import { multiHeadCases } from './multi-head-cases.js';
import { torchCases } from './torch-cases.js';
import { trainCases } from './train-cases.js';

/** Every option of the public surface, by the key that the list generated from the types gives it. */
export const OPTION_CASES: readonly OptionCase[] = [
  ...attentionCases,
  ...multiHeadCases,
  ...layerCases,
  ...modelCases,
  ...matrixCases,
  ...heatmapCases,
  ...cacheCases,
  ...decodingCases,
  ...torchCases,
  ...trainCases,
  ...gradientCases,
];
