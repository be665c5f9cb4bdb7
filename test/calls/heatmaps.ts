import { type BertVizOptions, type HeatmapAnsiOptions, type HeatmapSvgOptions, Matrix } from '../../src/index.js';
import { type Callables, optioned, type Uses } from './callable.js';

const maps = () => [
  Matrix.from([
    [0.125, 0.875],
    [0.5, 0.25],
  ]),
  Matrix.from([
    [0.75, 0.25],
    [0.375, 0.625],
  ]),
];
const ofMaps = () => ({ args: [maps(), {}] });

const labels = { rowLabels: [{ value: ['I', 'am'] }], columnLabels: [{ value: ['a', 'robot'] }] };
const shared: Uses<Omit<HeatmapSvgOptions, 'title'>> = {
  ...labels,
  headLabels: [{ value: ['left', 'right'] }],
  low: [{ value: -1 }],
  high: [{ value: 2 }],
};

export const heatmaps: Callables = {
  toBertViz: optioned<BertVizOptions>(ofMaps, labels),
  heatmapAnsi: optioned<HeatmapAnsiOptions>(ofMaps, {
    ...shared,
    color: [{ value: false }],
    maxWidth: [{ value: 12 }],
  }),
  heatmapSvg: optioned<HeatmapSvgOptions>(ofMaps, { ...shared, title: [{ value: 'Who looks at whom' }] }),
};
