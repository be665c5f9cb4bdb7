import { requireArguments } from '../core/arguments.js';
import { shapeError } from '../core/errors.js';
import { requireOptions } from '../core/options.js';
import { type Matrix, requireMatrix } from '../matrix/matrix.js';
import { checkLabels, checkMaps, requireFew } from './heatmap-input.js';

export interface BertVizOptions {
  /** One per query: the text on the left. Default: their numbers. */
  rowLabels?: readonly string[];
  /** One per key: the text on the right. Default: rowLabels if there are as many keys as queries, else their numbers. */
  columnLabels?: readonly string[];
}

/** The parameters of BertViz's views, under BertViz's names; ready for JSON.stringify. */
export interface BertVizData {
  attention: [{ name: null; attn: number[][][][]; left_text: string[]; right_text: string[] }];
  default_filter: '0';
  /** The id of the element to draw in: if a page has several views, give each its own. */
  root_div_id: string;
  display_mode: 'dark';
  layer: null;
  heads: null;
  include_layers: number[];
  include_heads: number[];
  total_heads: number;
}

/** An entry takes some 20 characters in JSON, and V8's longest string has 2^29. */
const MOST_ENTRIES = 2 ** 24;

const BERT_VIZ_OPTIONS: readonly (keyof BertVizOptions)[] = ['rowLabels', 'columnLabels'];

/**
 * Attention weights in the form that the scripts of BertViz's head view and model view read (PYTHON_PARAMS in head_view.js
 * and model_view.js).
 *
 * Labels may hold any text. In a script element of a page write `JSON.stringify(data).replaceAll('<', '\\u003c')`, so that
 * no label can end the element.
 *
 * @param weights  the heads of one layer, (Lq × Lk) each, as attentionWeights gives them for one sequence; or a list with
 *   such heads for every layer
 * @throws ShapeError  if shapes, heads per layer or numbers of labels differ, there are more than 2^24 entries, or an entry
 *   is not a finite number of at least 0; TypeError for wrong kinds and unknown options
 * @see Vig 2019, https://arxiv.org/abs/1906.05714; https://github.com/jessevig/bertviz
 * @example const json = JSON.stringify(toBertViz(attention.attentionWeights(x), { rowLabels: tokens }));
 */
export function toBertViz(
  weights: Matrix | readonly Matrix[] | readonly (readonly Matrix[])[],
  options: BertVizOptions = {},
): BertVizData {
  const where = 'toBertViz';
  requireOptions(where, options, BERT_VIZ_OPTIONS);
  requireArguments(where, arguments.length, 2);
  const layers = layersOf(where, weights);
  requireFew(where, layers.length * layers[0].length, layers[0][0], MOST_ENTRIES);
  const [{ rows, cols }] = layers[0];
  const { rowLabels, columnLabels = rows === cols ? rowLabels : undefined } = options;
  const left_text = checkLabels(where, 'rowLabels', rowLabels, rows, 'row');
  const right_text = checkLabels(where, 'columnLabels', columnLabels, cols, 'column');
  const attn = layers.map((heads, l) => heads.map((head, h) => entriesOf(where, head, `layer ${l}, head ${h}`)));
  const count = layers[0].length;
  return {
    attention: [{ name: null, attn, left_text, right_text }],
    default_filter: '0',
    root_div_id: 'bertviz',
    display_mode: 'dark',
    layer: null,
    heads: null,
    include_layers: layers.map((_, l) => l),
    include_heads: Array.from({ length: count }, (_, h) => h),
    total_heads: count,
  };
}

/** Layers with the same number of heads, all of one shape. */
function layersOf(where: string, weights: unknown): readonly (readonly Matrix[])[] {
  if (!Array.isArray(weights) || !Array.isArray(weights[0])) return [checkMaps(where, weights)];
  const layers: (readonly Matrix[])[] = [];
  for (let l = 0; l < weights.length; l++) {
    const layer: unknown = weights[l];
    if (!Array.isArray(layer)) requireMatrix(where, `weights[${l}]`, layer); // a Matrix is refused below
    const heads = checkMaps(where, layer);
    layers.push(heads);
    const [first] = layers;
    if (!Array.isArray(layer) || heads.length !== first.length) {
      const given = `weights[0] has ${first.length}, weights[${l}] has ${Array.isArray(layer) ? heads.length : 'none'}`;
      throw shapeError(where, 'every layer of weights must have the same number of heads', given);
    }
    if (heads[0].rows === first[0].rows && heads[0].cols === first[0].cols) continue;
    const given = `layer 0 has ${first[0].rows}×${first[0].cols}, layer ${l} ${heads[0].rows}×${heads[0].cols}`;
    throw shapeError(where, 'weights must have one shape', given);
  }
  return layers;
}

function entriesOf(where: string, { rows, cols, data }: Matrix, what: string): number[][] {
  const wrong = data.findIndex((value) => !(value >= 0 && value < Number.POSITIVE_INFINITY));
  if (wrong !== -1) {
    throw shapeError(where, 'weights must be finite and at least 0', `${what} holds ${data[wrong]}`);
  }
  return Array.from({ length: rows }, (_, r) => Array.from(data.subarray(r * cols, (r + 1) * cols)));
}
