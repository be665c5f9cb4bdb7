import {
  type BertVizOptions,
  type HeatmapAnsiOptions,
  type HeatmapSvgOptions,
  heatmapAnsi,
  heatmapSvg,
  Matrix,
  toBertViz,
} from '../../src/index.js';
import { type OptionCase, place, type Uses } from './case.js';

const maps = [
  Matrix.from([
    [0.125, 0.875],
    [0.5, 0.25],
  ]),
  Matrix.from([
    [0.75, 0.25],
    [0.375, 0.625],
  ]),
];

const SHARED: Uses<Omit<HeatmapSvgOptions, 'title'>> = {
  rowLabels: [{ value: ['I', 'am'] }],
  columnLabels: [{ value: ['a', 'robot'] }],
  headLabels: [{ value: ['left', 'right'] }],
  low: [{ value: -1 }],
  high: [{ value: 2 }],
};

export const heatmapCases: OptionCase[] = [
  ...place<HeatmapSvgOptions>('heatmapSvg', {}, (o) => heatmapSvg(maps, o), {
    ...SHARED,
    title: [{ value: 'Who looks at whom' }],
  }),
  ...place<HeatmapAnsiOptions>('heatmapAnsi', {}, (o) => heatmapAnsi(maps, o), {
    ...SHARED,
    color: [{ value: false }],
    maxWidth: [{ value: 12 }],
  }),
  ...place<BertVizOptions>('toBertViz', {}, (o) => toBertViz(maps, o), {
    rowLabels: [{ value: ['I', 'am'] }],
    columnLabels: [{ value: ['a', 'robot'] }],
  }),
];
