import { existsSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { projectRoot } from './source-modules.js';

// What a Markdown page refers to: the targets of its links, and the paths in code font.

/** [text](target) outside of fenced blocks, including images. */
const LINK = /\]\(([^)\s]+)\)/g;
/** `src/…` and the like, as far as it is one path from the root. */
const PATH = /`((?:src|test|docs|bench|examples)\/[\w./-]+)`/g;
/** `calls/products.ts`: the end of a path. */
const END = /`([\w./-]+\.(?:ts|mjs))`/g;
/** In a drawing: a path from src. */
const DRAWN = /(?<![\w/])((?:core|kernels|matrix|autograd|ops|nn|train|io|inspect)\/[\w./-]+\.ts)\b/g;
const FENCED = /^( *)(`{3,}|~{3,}).*\n[\s\S]*?^\1\2$/gm;

const isElsewhere = (target: string) => /^(https?:|mailto:)/.test(target);

/** The anchors that the headings of a page make, as repositories show them. */
function anchorsOf(markdown: string): Set<string> {
  const headings = markdown.replace(FENCED, '').matchAll(/^#+ +(.*)$/gm);
  const anchor = (heading: string) => heading.toLowerCase().replace(/[^\p{L}\p{N} _-]/gu, '');
  return new Set([...headings].map(([, heading]) => `#${anchor(heading).replaceAll(' ', '-')}`));
}

/**
 * The targets that do not exist, as `target: why`.
 *
 * @param page  the path of the text, from the root of the project
 * @param files  the files of the project
 */
export function brokenLinks(page: string, markdown: string, files: readonly string[]): string[] {
  const text = markdown.replace(FENCED, '');
  const anchors = anchorsOf(markdown);
  const ofLinks = [...text.matchAll(LINK)].flatMap(([, target]) => {
    if (isElsewhere(target)) return [];
    if (target.startsWith('#')) return anchors.has(target) ? [] : [`${target}: no such heading`];
    const path = join(dirname(page), target.replace(/#.*$/, ''));
    if (path.startsWith('..')) return [`${target}: outside of the project`];
    return existsSync(join(projectRoot, path)) ? [] : [`${target}: no such file`];
  });
  const pathsLike = (pattern: RegExp, where: string) => [...where.matchAll(pattern)].map(([, path]) => path);
  const missing = (paths: string[], isThere: (path: string) => boolean) => paths.filter((path) => !isThere(path));
  const gone = [
    ...missing(pathsLike(PATH, text), (path) => existsSync(join(projectRoot, path))),
    ...missing(pathsLike(END, text), (path) => files.some((file) => `/${file}`.endsWith(`/${path}`))),
    ...missing(pathsLike(DRAWN, markdown), (path) => existsSync(join(projectRoot, 'src', path))),
  ];
  return [...ofLinks, ...[...new Set(gone)].map((path) => `${path}: no such file`)];
}

/** Every page of the project that is meant to be read, of these files. */
export function pagesAmong(files: readonly string[]): string[] {
  return files.filter((file) => file.endsWith('.md') && relative('bench/results', file).startsWith('..'));
}
