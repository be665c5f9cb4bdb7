import { environmentText } from './environment.js';
import type { Results } from './results.js';
import { LEGEND, overview } from './tables.js';

// README.md shows one committed result between two comments; the first names the file it was made from.

const MARKED = /<!-- bench: (\S+) -->\n[\s\S]*?<!-- \/bench -->/;

/** The committed result that a page shows, or undefined if it has no place for one. */
export function shownResult(page: string): string | undefined {
  return MARKED.exec(page)?.[1];
}

/** The page with the table of a result in its place. @throws Error  if it has none */
export function withResult(page: string, path: string, results: Results): string {
  if (!MARKED.test(page)) {
    throw new Error('README.md must have two lines: <!-- bench: path --> and, where the table ends, <!-- /bench -->');
  }
  const lines = [
    `<!-- bench: ${path} -->`,
    `${environmentText(results.environment)}; one thread. ${LEGEND}`,
    '',
    overview(results),
    '<!-- /bench -->',
  ];
  return page.replace(MARKED, () => lines.join('\n'));
}
