import process from 'node:process';

/**
 * Whoever reads may go early (`| head`, a closed terminal): `lost` is then called once, and what is written from there on
 * goes nowhere. Any other fault (a full disk) is told on stderr, and the program ends with 1.
 */
export function watchOutput(program: string, lost: () => void): void {
  let isLost = false;
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (isLost) return;
    isLost = true;
    if (error.code !== 'EPIPE' && error.code !== 'EIO') {
      process.exitCode = 1;
      process.stderr.write(`${program}: the output must reach its reader: ${error.code}\n`);
    }
    lost();
  });
  process.stderr.on('error', () => {}); // nobody is left to be told
}
