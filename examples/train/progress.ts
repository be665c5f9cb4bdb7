const BAR = 24;

/** Seconds as m:ss. */
export function clock(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, '0')}`;
}

/** One line that says how far a run is: redrawn on a terminal, written now and then elsewhere. */
export class Progress {
  readonly #stream: NodeJS.WriteStream;
  readonly #total: number;
  readonly #tokensAStep: number;
  readonly #first: number;
  readonly #started = performance.now();
  #open = false;

  /** @param first  steps that were done before */
  constructor(stream: NodeJS.WriteStream, total: number, tokensAStep: number, first: number) {
    this.#stream = stream;
    this.#total = total;
    this.#tokensAStep = tokensAStep;
    this.#first = first;
  }

  /** Elsewhere than on a terminal only where `note` says something. */
  show(step: number, loss: number, note: string): void {
    const seconds = (performance.now() - this.#started) / 1000;
    const done = step - this.#first;
    const rate = Math.round((done * this.#tokensAStep) / seconds);
    const left = clock((seconds / done) * (this.#total - step));
    const filled = Math.round((BAR * step) / this.#total);
    const bar = '█'.repeat(filled) + '░'.repeat(BAR - filled);
    const line = `${bar} ${step}/${this.#total}  loss ${loss.toFixed(3)}  ${rate} tokens/s  ${left} left`;
    if (this.#stream.isTTY) {
      this.#stream.write(`\r\x1b[K${line}${note === '' ? '' : `  ${note}\n`}`);
      this.#open = note === '';
    } else if (note !== '') this.#stream.write(`${line}  ${note}\n`);
  }

  /** Leaves the line. */
  end(): void {
    if (this.#open) this.#stream.write('\n');
    this.#open = false;
  }
}
