import type { Point } from './run.js';

const [WIDTH, HEIGHT] = [720, 400];
const MARGIN = { left: 56, right: 16, top: 40, bottom: 44 };

const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };

/** A path may hold anything; nothing of it may become markup. */
const escaped = (text: string) =>
  text.replace(/[&<>"]/g, (sign) => ENTITIES[sign]).replace(/[\p{Cc}\p{Cs}\ufffe\uffff]/gu, '�');

/** The most points of a line: if there are more, those of neighboring steps are averaged. */
const POINTS = 300;

interface At {
  readonly step: number;
  readonly loss: number;
}

/** The finite points, neighbors averaged until there are few enough to see. */
export function thinned(points: readonly At[]): readonly At[] {
  const shown = points.filter(({ loss }) => Number.isFinite(loss));
  const stretch = Math.ceil(shown.length / POINTS);
  if (stretch <= 1) return shown;
  return Array.from({ length: Math.ceil(shown.length / stretch) }, (_, i) => {
    const some = shown.slice(i * stretch, (i + 1) * stretch);
    const mean = (of: (point: At) => number) => some.reduce((sum, point) => sum + of(point), 0) / some.length;
    return { step: mean(({ step }) => step), loss: mean(({ loss }) => loss) };
  });
}

/** The loss curve as SVG: training, held back, and the unigram entropy as a dashed line. */
export function curveSvg(history: readonly Point[], unigramEntropy: number, title: string): string {
  const training = thinned(history);
  const heldBack = thinned(history.flatMap(({ step, heldBack: loss }) => (loss === undefined ? [] : [{ step, loss }])));
  const last = Math.max(1, history.at(-1)?.step ?? 1);
  const top = Math.ceil(2 * Math.max(0.5, unigramEntropy, ...[...training, ...heldBack].map(({ loss }) => loss))) / 2;
  const x = (step: number) => MARGIN.left + (step / last) * (WIDTH - MARGIN.left - MARGIN.right);
  const y = (loss: number) => HEIGHT - MARGIN.bottom - (loss / top) * (HEIGHT - MARGIN.top - MARGIN.bottom);
  const at = (value: number) => value.toFixed(1);
  const line = (points: readonly At[], style: string) =>
    `<polyline fill="none" ${style} points="${points.map((p) => `${at(x(p.step))},${at(y(p.loss))}`).join(' ')}"/>`;
  const label = (tx: number, ty: number, text: string, style = '') =>
    `<text x="${at(tx)}" y="${at(ty)}" ${style}>${escaped(text)}</text>`;
  const right = WIDTH - MARGIN.right;
  const tick = Math.max(0.5, Math.ceil(top / 10));
  const grid = Array.from({ length: Math.floor(top / tick) + 1 }, (_, i) => i * tick).flatMap((loss) => [
    `<path d="M${MARGIN.left} ${at(y(loss))}H${right}" stroke="#ddd"/>`,
    label(MARGIN.left - 8, y(loss) + 4, loss.toFixed(1), 'text-anchor="end"'),
  ]);
  const steps = [0, 0.25, 0.5, 0.75, 1].map((share) => Math.round(share * last));
  const ticks = [...new Set(steps)].map((step) =>
    label(x(step), HEIGHT - MARGIN.bottom + 18, String(step), 'text-anchor="middle"'),
  );
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" font-family="sans-serif" font-size="12">
<rect width="100%" height="100%" fill="#fff"/>
${label(MARGIN.left, 22, title, 'font-size="14"')}
${grid.join('\n')}
${ticks.join('\n')}
<path d="M${MARGIN.left} ${at(y(unigramEntropy))}H${right}" stroke="#888" stroke-dasharray="6 4"/>
${label(right, y(unigramEntropy) - 6, 'unigram entropy', 'text-anchor="end" fill="#888"')}
${line(training, 'stroke="#1f77b4"')}
${line(heldBack, 'stroke="#d62728" stroke-width="2"')}
${label(right - 130, 22, 'training', 'fill="#1f77b4"')}
${label(right, 22, 'held back', 'text-anchor="end" fill="#d62728"')}
${label((MARGIN.left + right) / 2, HEIGHT - 8, 'step; loss in nats a byte', 'text-anchor="middle"')}
</svg>
`;
}
