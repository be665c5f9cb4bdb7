import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join, resolve } from 'node:path';
import process from 'node:process';
import { beforeAll, describe, expect, it } from 'vitest';
import { readBytes } from '../../examples/shared/files.js';
import { writeWhole } from '../../examples/shared/write.js';
import { requireBuilt } from '../support/built.js';
import { run } from '../support/processes.js';
import { projectRoot } from '../support/source-modules.js';
import { temporaryFolder } from '../support/temporary.js';

// What the programs read and write where something else than a file has its name.

beforeAll(requireBuilt);

/** A folder of things that are no files, or none that could be meant. */
function oddities(): string {
  const folder = temporaryFolder();
  run('mkfifo', ['pipe'], folder);
  symlinkSync('/dev/zero', join(folder, 'zero'));
  symlinkSync('pipe', join(folder, 'link'));
  symlinkSync('loop', join(folder, 'loop'));
  mkdirSync(join(folder, 'inner'));
  writeFileSync(join(folder, 'huge'), '');
  truncateSync(join(folder, 'huge'), 2 ** 33); // takes no room on the disk
  return folder;
}

/** A program, in little memory and time: what reads without end is found, not waited for. */
function ran(program: string, args: readonly string[], folder: string) {
  const script = 'ulimit -v 12000000; exec timeout 60 "$0" "$@"';
  return run(
    'sh',
    ['-c', script, process.execPath, join(projectRoot, `build/examples/${program}.js`), ...args],
    folder,
  );
}

describe.skipIf(process.platform === 'win32')('no program', () => {
  // Where a program writes, a mistake of its must not cost the machine a device: a pipe stands for one.
  const written = [
    ['pipe', 'is no regular file'],
    ['link', 'is no regular file'],
    ['inner', 'is a folder'],
  ];
  const devices = ['/dev/zero', '/dev/full', 'zero'].map((path) => [path, 'is no regular file']);
  const reading: [program: string, what: string, args: (path: string) => string[]][] = [
    ['explain', '--file must be a readable UTF-8 text', (path) => ['--file', path]],
    ['train', '--file must be readable', (path) => ['--file', path]],
    ['train', '--checkpoint must be new or a checkpoint of this program', (path) => ['--checkpoint', path]],
    ['train', '--resume needs a checkpoint', (path) => ['--resume', '--checkpoint', path]],
  ];
  for (const [program, what, args] of reading) {
    it(`reads what has no end, or waits for it: ${program} ${args('path').join(' ')}`, () => {
      const folder = oddities();
      const before = readdirSync(folder);
      // To whom it writes, a link to itself is a new file.
      const onlyRead = what.includes('must be new') ? [] : [...devices, ['loop', 'is a link to itself']];
      for (const [path, why] of [...written, ...onlyRead]) {
        const name = program === 'explain' ? 'npm start' : `npm run ${program}`;
        const { code, output } = ran(program, args(path), folder);
        const shown = what === '--file must be readable' ? resolve(folder, path) : path;
        expect([code, output]).toEqual([2, `${name}: ${what}: "${shown}" ${why}\n`]);
      }
      const { code, output } = ran(program, args('huge'), folder);
      expect([code, output]).toEqual([2, expect.stringMatching(/ of at most \d+ bytes: ".*huge" has 8589934592\n$/)]);
      expect(readdirSync(folder)).toEqual(before);
    });
  }

  it('reads it as a model', () => {
    const folder = oddities();
    const zero = (...args: string[]) => ran('story', ['--model', ...args], folder);
    const what = 'npm run story: --model must be a folder with model.safetensors';
    symlinkSync('/dev/zero', join(folder, 'model.safetensors'));
    expect(zero('.').output).toBe(`${what}: "model.safetensors" is no regular file\n`);
    symlinkSync('../huge', join(folder, 'inner/model.safetensors'));
    expect(zero('inner').output).toBe(
      `${what} of at most 2147483648 bytes: "inner/model.safetensors" has 8589934592\n`,
    );
    expect(zero('/dev/zero').output).toBe(`${what}: "/dev/zero/model.safetensors" leads through a file\n`);
  });

  it('puts a file in the place of a device or a pipe', () => {
    const folder = oddities();
    const before = readdirSync(folder);
    for (const [path, why] of written) {
      for (const program of ['explain', 'train']) {
        const name = program === 'explain' ? 'npm start' : `npm run ${program}`;
        const { code, output } = ran(program, ['--svg', path], folder);
        const all = `${name}: --svg must be a place to write a file: "${path}" ${why}\n`;
        expect([code, output]).toEqual([2, all]);
      }
    }
    expect(readdirSync(folder)).toEqual(before);
    expect(lstatSync(join(folder, 'pipe')).isFIFO()).toBe(true);
  });
});

describe('readBytes', () => {
  const read = (path: string, most = 10) => readBytes('it must be', path, 'shown', most).toString();

  it('gives a whole file of at most so many bytes', () => {
    const path = join(temporaryFolder(), 'file');
    writeFileSync(path, '0123456789');
    expect(read(path)).toBe('0123456789');
    expect(() => read(path, 9)).toThrow('it must be of at most 9 bytes: "shown" has 10');
    writeFileSync(path, '');
    expect(read(path)).toBe('');
    const long = 'abc'.repeat(6e6); // of several pieces
    writeFileSync(path, long);
    expect(read(path, 2e7)).toBe(long);
  });

  it.skipIf(!existsSync('/proc/self/pagemap'))('reads no more than a file says it has', () => {
    expect(read('/proc/self/pagemap')).toBe(''); // a regular file of 0 bytes that goes on for gigabytes
  });
});

describe('writeWhole', () => {
  const write = (path: string, content = 'new') => writeWhole('--it', path, content, 'shown');

  it('writes over what a killed run of the same process number has left, and removes what others left', () => {
    const folder = temporaryFolder();
    const left = (pid: number | string, secondsAgo: number) => {
      const path = join(folder, `.out-${pid}.tmp`);
      writeFileSync(path, 'half');
      utimesSync(path, Date.now() / 1000 - secondsAgo, Date.now() / 1000 - secondsAgo);
    };
    left(process.pid, 0);
    left(11, 3600);
    left(12, 5); // may be at work
    left('notes', 3600); // not ours
    writeFileSync(join(folder, '.out.bak-13.tmp'), 'other');
    write(join(folder, 'out'));
    expect(readFileSync(join(folder, 'out'), 'utf8')).toBe('new');
    expect(readdirSync(folder).sort()).toEqual(['.out-12.tmp', '.out-notes.tmp', '.out.bak-13.tmp', 'out']);
  });

  it('takes every name that a folder takes', () => {
    const folder = temporaryFolder();
    for (const name of ['x'.repeat(255), '€'.repeat(85)]) {
      write(join(folder, name));
      write(join(folder, name), 'again');
      expect(readFileSync(join(folder, name), 'utf8')).toBe('again');
    }
    expect(() => write(join(folder, 'x'.repeat(256)))).toThrow(
      '--it must be a place to write a file: "shown" is too long',
    );
    expect(readdirSync(folder)).toHaveLength(2);
  });

  it.skipIf(process.platform === 'win32')('leaves a link a link', () => {
    const folder = temporaryFolder();
    mkdirSync(join(folder, 'inner'));
    writeFileSync(join(folder, 'inner/out'), 'old');
    symlinkSync('inner/out', join(folder, 'link'));
    write(join(folder, 'link'));
    expect(lstatSync(join(folder, 'link')).isSymbolicLink()).toBe(true);
    expect(readFileSync(join(folder, 'inner/out'), 'utf8')).toBe('new');
    expect(readdirSync(join(folder, 'inner'))).toEqual(['out']);
  });

  it.skipIf(process.platform === 'win32')('never moves a file onto a device', () => {
    const folder = oddities();
    for (const name of ['pipe', 'link']) {
      expect(() => write(join(folder, name))).toThrow(
        '--it must be a place to write a file: "shown" is no regular file',
      );
    }
    expect(statSync(join(folder, 'pipe')).isFIFO()).toBe(true);
  });
});
