import process from 'node:process';
import { watchOutput } from '../shared/output.js';

/** A second Ctrl-C this much later means now; npm and the terminal may both pass on the first. */
const SECOND_MS = 1000;
const EXIT_CODES = { SIGHUP: 129, SIGINT: 130, SIGTERM: 143 } as const;
const SIGNALS = Object.keys(EXIT_CODES) as (keyof typeof EXIT_CODES)[];

const isOurs = (signal: string): signal is keyof typeof EXIT_CODES => Object.hasOwn(EXIT_CODES, signal);

/** What asks a run to end early: Ctrl-C, SIGTERM, a terminal that is closed, a reader that has gone (`| head`). */
export class Stop {
  #reason?: keyof typeof EXIT_CODES | 'reader';
  #since = 0;
  readonly #onSignal = (signal: NodeJS.Signals) => {
    if (!isOurs(signal)) return;
    if (this.#reason !== undefined && performance.now() - this.#since > SECOND_MS) process.exit(EXIT_CODES[signal]);
    this.#ask(signal);
  };

  constructor() {
    for (const signal of SIGNALS) process.on(signal, this.#onSignal);
    watchOutput('npm run train', () => this.#ask('reader'));
  }

  get asked(): boolean {
    return this.#reason !== undefined;
  }

  /** Of a program that was stopped by a signal. */
  get exitCode(): number | undefined {
    return this.#reason === undefined || this.#reason === 'reader' ? undefined : EXIT_CODES[this.#reason];
  }

  /** Where whoever stopped the run can still read. */
  get stream(): NodeJS.WriteStream {
    return this.#reason === 'reader' ? process.stderr : process.stdout;
  }

  /** From here on a signal ends the program at once. */
  release(): void {
    for (const signal of SIGNALS) process.off(signal, this.#onSignal);
  }

  #ask(reason: keyof typeof EXIT_CODES | 'reader'): void {
    if (this.#reason !== undefined) return;
    this.#reason = reason;
    this.#since = performance.now();
  }
}
