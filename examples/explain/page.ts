import { displayWidth, truncate, visibleLabel } from '../../src/inspect/labels.js';

/** The terminal that a page is written for. */
export interface Medium {
  color: boolean;
  /** Columns. */
  width: number;
}

export const INDENT = '   ';

/** Lines that are collected and written at once, so that a mistake found halfway leaves no output. */
export class Page {
  readonly medium: Medium;
  readonly #lines: string[] = [];
  #step = 0;

  constructor(medium: Medium) {
    this.medium = medium;
  }

  /** A numbered heading with the shape of what follows at the right. */
  step(title: string, shape: string): void {
    this.#step++;
    const left = `${this.#step}  ${title}`;
    const gap = ' '.repeat(Math.max(2, this.medium.width - displayWidth(left) - displayWidth(shape)));
    this.#lines.push('', `${this.bold(left)}${gap}${shape}`, this.dim('─'.repeat(this.medium.width)));
  }

  /** One or more lines of explanation, broken at spaces. */
  say(text: string): void {
    let line = '';
    for (const word of text.split(' ')) {
      if (line !== '' && displayWidth(line) + 1 + displayWidth(word) > this.room) {
        this.line(line);
        line = word;
      } else line = line === '' ? word : `${line} ${word}`;
    }
    this.line(line);
  }

  line(text = ''): void {
    this.#lines.push((INDENT + text).trimEnd());
  }

  lines(lines: readonly string[]): void {
    for (const line of lines) this.line(line);
  }

  /** At the left edge. */
  title(text: string): void {
    this.#lines.push(this.bold(text));
  }

  bold(text: string): string {
    return this.medium.color ? `\u001b[1m${text}\u001b[0m` : text;
  }

  dim(text: string): string {
    return this.medium.color ? `\u001b[2m${text}\u001b[0m` : text;
  }

  /** Columns within the indentation. */
  get room(): number {
    return this.medium.width - INDENT.length;
  }

  toString(): string {
    return `${this.#lines.join('\n')}\n`;
  }
}

/** The user's text in quotation marks, safe for a terminal, in one line. */
export function shown(text: string, columns: number): string {
  return `“${truncate(visibleLabel(text), columns - 2)}”`;
}

/** `3 words`, `1 word`. */
export function count(n: number, unit: string): string {
  return `${n} ${unit}${n === 1 ? '' : 's'}`;
}
