import process from 'node:process';

/**
 * The reader of the output may leave early (`| head`, a closed terminal): `lost` is then called once, and later output is
 * dropped. Any other error (a full disk) is reported on stderr, and the program exits with 1.
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
