import process from 'node:process';

/** A second Ctrl-C this much later means now; npm and the terminal may both pass on the first. */
const SECOND_MS = 1000;
const EXIT_CODES = { SIGINT: 130, SIGTERM: 143, EPIPE: 0 } as const;

/** What asks a run to end early: Ctrl-C, SIGTERM, a reader that has gone (`| head`). */
export class Stop {
  #reason?: keyof typeof EXIT_CODES;
  #since = 0;
  readonly #onSignal = (signal: NodeJS.Signals) => {
    if (signal !== 'SIGINT' && signal !== 'SIGTERM') return;
    if (this.#reason !== undefined && performance.now() - this.#since > SECOND_MS) process.exit(EXIT_CODES[signal]);
    this.#ask(signal);
  };

  constructor() {
    process.on('SIGINT', this.#onSignal);
    process.on('SIGTERM', this.#onSignal);
    process.stdout.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error;
      this.#ask('EPIPE');
    });
  }

  get asked(): boolean {
    return this.#reason !== undefined;
  }

  /** Of a program that was stopped. */
  get exitCode(): number {
    return this.#reason === undefined ? 0 : EXIT_CODES[this.#reason];
  }

  /** Where whoever stopped the run can still read. */
  get stream(): NodeJS.WriteStream {
    return this.#reason === 'EPIPE' ? process.stderr : process.stdout;
  }

  /** From here on a signal ends the program at once. */
  release(): void {
    process.off('SIGINT', this.#onSignal);
    process.off('SIGTERM', this.#onSignal);
  }

  #ask(reason: keyof typeof EXIT_CODES): void {
    if (this.#reason !== undefined) return;
    this.#reason = reason;
    this.#since = performance.now();
  }
}
