const BAR = 24;
/** Without a terminal a line is written at least this often. */
const SILENCE_MS = 15_000;

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
  #step: number;
  #written = this.#started;
  #open = false;

  /** @param first  steps that were done before */
  constructor(stream: NodeJS.WriteStream, total: number, tokensAStep: number, first: number) {
    this.#stream = stream;
    this.#total = total;
    this.#tokensAStep = tokensAStep;
    this.#first = first;
    this.#step = first;
  }

  get #seconds(): number {
    return (performance.now() - this.#started) / 1000;
  }

  /** Tokens a second since the start, held-back looks and checkpoints included. */
  get #rate(): number {
    return Math.round(((this.#step - this.#first) * this.#tokensAStep) / this.#seconds);
  }

  /** @param note  what deserves a line of its own */
  show(step: number, loss: number, note: string): void {
    this.#step = step;
    const left = clock((this.#seconds / (step - this.#first)) * (this.#total - step));
    const rest = note === '' ? '' : `  ${note}`;
    const words = ` ${step}/${this.#total}  loss ${loss.toFixed(3)}  ${this.#rate} tokens/s  ${left} left${rest}`;
    // A line that wraps could not be redrawn: the bar makes room first.
    const room = this.#stream.isTTY ? (this.#stream.columns || 80) - 1 : Number.POSITIVE_INFINITY;
    const width = Math.max(1, Math.min(BAR, room - words.length));
    const filled = Math.round((width * step) / this.#total);
    const line = `${'█'.repeat(filled)}${'░'.repeat(width - filled)}${words}`.slice(0, room);
    if (this.#stream.isTTY) {
      this.#stream.write(`\r\x1b[K${line}${note === '' ? '' : '\n'}`);
      this.#open = note === '';
    } else if (note !== '' || step === this.#total || performance.now() - this.#written > SILENCE_MS) {
      this.#stream.write(`${line}\n`);
      this.#written = performance.now();
    }
  }

  /** Leaves the line. */
  end(): void {
    if (this.#open) this.#stream.write('\n');
    this.#open = false;
  }

  /** What was done since the start; '' if nothing. */
  summary(): string {
    const steps = this.#step - this.#first;
    return steps === 0 ? '' : `${steps} steps in ${clock(this.#seconds)}, ${this.#rate} tokens/s`;
  }
}
