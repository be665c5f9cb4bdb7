import { spawn } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { readSafetensors, writeSafetensors } from 'qkv';
import { beforeAll, describe, expect, it } from 'vitest';
import { parseArguments, type Settings } from '../../examples/train/arguments.js';
import { load, replacedBy, requireSavable, save } from '../../examples/train/checkpoint.js';
import { curveSvg, thinned } from '../../examples/train/curve.js';
import { clock, Progress } from '../../examples/train/progress.js';
import { heldBackLoss, newRun, parametersOf, type Run, trainStep } from '../../examples/train/run.js';
import { batchAt, drawsOf, entropyOf, readText } from '../../examples/train/text.js';
import { requireBuilt } from '../support/built.js';
import { node, run } from '../support/processes.js';
import { projectRoot } from '../support/source-modules.js';
import { temporaryFolder } from '../support/temporary.js';
import { allElements, parseXml, textOf } from '../support/xml.js';

beforeAll(requireBuilt);

const PROGRAM = join(projectRoot, 'build/examples/train.js');
const TINY = ['--batch', '2', '--context', '16', '--d-model', '16', '--layers', '1', '--heads', '2'];

/** A folder with a text in it that is easy to learn. */
function folderWithText(text = 'abcdefgh'.repeat(200)): string {
  const folder = temporaryFolder();
  writeFileSync(join(folder, 'text.txt'), text);
  return folder;
}

function settingsOf(folder: string, ...args: string[]): Settings {
  const settings = parseArguments([...TINY, '--file', join(folder, 'text.txt'), ...args]);
  if (settings === 'help') throw new Error('no settings');
  return settings;
}

function runOf(folder: string, ...args: string[]): Run {
  const { run } = settingsOf(folder, ...args);
  return newRun(run, readText(run.file, run.context));
}

describe('npm run train', () => {
  it('learns, tells how far it is, keeps the run, draws its curve and continues the text', () => {
    const folder = folderWithText();
    const args = ['--file', 'text.txt', '--steps', '60', '--generate', '24', '--prompt', 'abc', '--svg', 'curve.svg'];
    const { code, stdout, stderr } = node([PROGRAM, ...TINY, ...args, '--learning-rate', '0.02'], folder);
    expect([code, stderr]).toEqual([0, '']);
    const loss = (name: string) => Number(new RegExp(`${name} +([\\d.]+) nats`).exec(stdout)?.[1]);
    expect(loss('unigram entropy')).toBeCloseTo(Math.log(8), 3);
    expect(loss('held-back loss')).toBeLessThan(1);
    expect(stdout).toMatch(/54\/60 {2}loss [\d.]+ {2}\d+ tokens\/s {2}0:0\d left {2}held back [\d.]+\n/);
    expect(stdout).toMatch(/\nabc[a-h]{24}\n$/);
    expect(readdirSync(folder).sort()).toEqual(['curve.svg', 'text.txt', 'train.safetensors']);
    const texts = allElements(parseXml(readFileSync(join(folder, 'curve.svg'), 'utf8'))).map(textOf);
    expect(texts).toEqual(expect.arrayContaining(['training', 'held back', 'unigram entropy', '60']));
    // Finished: nothing is left to do but to write.
    const again = node([PROGRAM, '--resume', '--generate', '0'], folder);
    expect([again.code, again.stderr]).toEqual([0, '']);
    expect(again.stdout).toContain(`held-back loss   ${loss('held-back loss').toFixed(3)}`);
  });

  it('saves when it is interrupted, says how to go on, and ends as if nothing had happened', async () => {
    const folder = folderWithText();
    const args = [
      PROGRAM,
      ...TINY,
      '--file',
      'text.txt',
      '--steps',
      '1200',
      '--generate',
      '8',
      '--checkpoint-every',
      '50',
    ];
    const whole = node([...args, '--checkpoint', 'whole'], folder);
    expect([whole.code, whole.stderr]).toEqual([0, '']);
    const child = spawn(process.execPath, [...args, '--checkpoint', 'my run'], { cwd: folder, stdio: 'pipe' });
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => {
      // Twice, as npm and the terminal do.
      if (!output.includes('held back 0') && chunk.includes('held back 0')) {
        child.kill('SIGINT');
        setTimeout(() => child.kill('SIGINT'), 5);
      }
      output += chunk.toString();
    });
    const ended = await new Promise((resolve) => child.on('close', (code, signal) => resolve(signal ?? code)));
    // The second signal may come when Node is ending and catches none any more; all is saved and said by then.
    expect([130, 'SIGINT']).toContain(ended);
    const [, step] = /Stopped at step (\d+), saved\. Go on with: (.*)\n$/.exec(output) ?? [];
    expect(output).toContain('npm run train -- --resume --checkpoint "my run"\n');
    expect(load(join(folder, 'my run'), 'my run').step).toBe(Number(step));
    expect(Number(step)).toBeGreaterThan(0);
    expect(Number(step)).toBeLessThan(800);

    const rest = node([PROGRAM, '--resume', '--checkpoint', 'my run', '--generate', '8'], folder);
    expect([rest.code, rest.stderr]).toEqual([0, '']);
    expect(rest.stdout).toContain(`; going on at step ${step}\n`);
    const ending = (text: string) => text.slice(text.indexOf('held-back loss'));
    expect(ending(rest.stdout)).toBe(ending(whole.stdout));
    // Parameters, optimizer, every loss.
    expect(readFileSync(join(folder, 'my run')).equals(readFileSync(join(folder, 'whole')))).toBe(true);
  });

  it.skipIf(process.platform === 'win32')('saves when its terminal is closed', async () => {
    const folder = folderWithText();
    const args = [PROGRAM, ...TINY, '--file', 'text.txt', '--steps', '100000', '--checkpoint-every', '100000'];
    const child = spawn(process.execPath, args, { cwd: folder, stdio: 'pipe' });
    child.stdout.once('data', () => {
      // Nobody is there any more to be told.
      child.stdout.destroy();
      child.stderr.destroy();
      setTimeout(() => child.kill('SIGHUP'), 200);
    });
    expect(await new Promise((resolve) => child.on('close', (code, signal) => resolve(signal ?? code)))).toBe(129);
    expect(load(join(folder, 'train.safetensors'), 'run').step).toBeGreaterThan(0);
    expect(readdirSync(folder).sort()).toEqual(['text.txt', 'train.safetensors']);
  });

  const isFull = existsSync('/dev/full') && statSync('/dev/full').isCharacterDevice();
  it.skipIf(!isFull)('saves when its output does not fit where it goes', () => {
    const folder = folderWithText();
    const args = [process.execPath, PROGRAM, ...TINY, '--file', 'text.txt', '--steps', '100000'];
    const { code, stderr } = run('sh', ['-c', '"$0" "$@" > /dev/full', ...args], folder);
    expect(code).toBe(1);
    expect(stderr).toMatch(
      /^npm run train: the output must reach its reader: ENOSPC\nStopped at step \d+, saved\. Go on with: .*\n$/,
    );
    load(join(folder, 'train.safetensors'), 'run');
  });

  it.skipIf(process.platform === 'win32')('saves when its reader has gone (| head)', () => {
    const folder = folderWithText();
    const script = '"$0" "$@" | head -n 1';
    const args = [process.execPath, PROGRAM, ...TINY, '--file', 'text.txt', '--steps', '4000'];
    const { stdout, stderr } = run('sh', ['-c', script, ...args], folder);
    expect(stdout).toBe('text.txt: 1440 bytes to learn from, 160 held back\n');
    expect(stderr).toMatch(/^Stopped at step \d+, saved\. Go on with: npm run train -- --resume\n$/);
  });

  it('tells what a new run replaces', () => {
    const folder = folderWithText();
    const args = [PROGRAM, ...TINY, '--file', 'text.txt', '--steps', '2', '--generate', '0'];
    expect(node(args, folder).stdout).not.toContain('replaces');
    expect(node(args, folder).stdout).toContain(
      '"train.safetensors" held a run at step 2 of 2: the first save replaces it\n',
    );
  });

  it.each([
    [['--steps', '0'], '--steps must be an integer from 1 to 10000000: got "0"'],
    [['--learning-rate', 'fast'], '--learning-rate must be a number above 0 and at most 1: got "fast"'],
    [['--temperature', '0'], '--temperature must be a number above 0.049 and at most 5: got "0"'],
    [['--heads', '3'], 'divisible by twice --heads, for the positions turn pairs of columns: 16 is not divisible by 6'],
    [['--what'], 'every option must be known: got "--what" (try --help)'],
    [['text'], 'there must be options only: got "text" (try --help)'],
    [['--resume'], '--batch must not come with --resume: the checkpoint knows it'],
    [['--file', 'nothing.txt'], '--file must be readable: '],
    [['--file', 'short.txt'], 'long enough to hold a tenth of it back: it has 20 bytes, --context 16 needs 170'],
    [['--file', 'text.txt', '--svg', 'no/curve.svg'], '--svg must lie in a folder that exists: got "no/curve.svg"'],
    [['--file', 'text.txt', '--svg', '.'], '--svg must be a place to write a file: "." is a folder'],
    [['--file', 'text.txt', '--svg', './text.txt'], '--svg must not be the text or the checkpoint: got "./text.txt"'],
    [['--file', 'text.txt', '--svg', 'a', '--checkpoint', './a'], '--svg must not be the text or the checkpoint'],
    [['--file', 'text.txt', '--checkpoint', 'no/run'], '--checkpoint must lie in a folder that exists'],
    [['--file', 'text.txt', '--checkpoint', 'text.txt'], 'or a checkpoint of this program: "text.txt" is another file'],
    [['--file', 'text.txt', '--d-model', '4096', '--layers', '64'], '--layers, --batch or --context take less)'],
  ])('refuses %j', (args, message) => {
    const folder = folderWithText();
    writeFileSync(join(folder, 'short.txt'), 'x'.repeat(20));
    const before = readdirSync(folder);
    const tiny = TINY.filter((_, i) => !args.includes(TINY[i - (i % 2)]));
    const { code, stderr } = node([PROGRAM, ...tiny, ...args], folder);
    expect(code).toBe(2);
    expect(readdirSync(folder)).toEqual(before);
    expect(readFileSync(join(folder, 'text.txt'), 'utf8')).toMatch(/^abc/);
    expect(stderr).toMatch(/^npm run train: .*\n$/);
    expect(stderr).toContain(message);
  });

  it('refuses a checkpoint that is none, damaged, or of another text', () => {
    const folder = folderWithText();
    const path = join(folder, 'run');
    expect(() => load(path, 'run')).toThrow('--resume needs a checkpoint: "run" does not exist');
    save(runOf(folder), path, 'run');
    const bytes = readFileSync(path);
    const refused = '--resume needs a checkpoint of this program: "run": ';
    writeFileSync(path, bytes.subarray(0, bytes.length - 1));
    expect(() => load(path, 'run')).toThrow(`${refused}readSafetensors: the tensors must fill the file`);
    writeFileSync(path, Buffer.from(bytes.toString('latin1').replace('qkv train 1', 'qkv train 9'), 'latin1'));
    expect(() => load(path, 'run')).toThrow(`${refused}its format must be "qkv train 1", got "qkv train 9"`);
    for (const [from, to] of [
      ['"step":"0"', '"step":"x"'],
      ['"history.loss"', '"history.lost"'],
      ['"model.', '"nodel.'],
    ]) {
      writeFileSync(path, Buffer.from(bytes.toString('latin1').replace(from, to), 'latin1'));
      expect(() => load(path, 'run')).toThrow(refused);
    }
    writeFileSync(path, 'a poem');
    expect(() => load(path, 'run')).toThrow(`${refused}readSafetensors: `);
    writeFileSync(path, bytes);
    writeFileSync(join(folder, 'text.txt'), 'abcdefgi'.repeat(200));
    expect(() => load(path, 'run')).toThrow(`${refused}the text must be the one the run began with`);
  });
});

describe('a checkpoint that somebody made', () => {
  /** The settings and texts of a run of no steps, changed. */
  function crafted(change: (settings: Record<string, unknown>, texts: Record<string, string>) => void): string {
    const folder = folderWithText();
    const path = join(folder, 'run');
    save(runOf(folder), path, 'run');
    const tensors = readSafetensors(readFileSync(path));
    const [settings, texts] = [JSON.parse(tensors.metadata.settings), { ...tensors.metadata }];
    change(settings, texts);
    if (texts.settings === tensors.metadata.settings) texts.settings = JSON.stringify(settings);
    writeFileSync(path, writeSafetensors(tensors, texts));
    return path;
  }

  it.each([
    ['batch', 1e9, 'its batch must be an integer from 1 to 4096: got "1000000000"'],
    ['batch', 0, 'its batch must be an integer from 1 to 4096: got "0"'],
    ['batch', null, 'its batch must be a number, got "null"'], // NaN
    ['batch', '8', 'its batch must be a number, got "\\"8\\""'],
    ['batch', undefined, 'its batch must be a number, got "undefined"'],
    ['layers', 1e6, 'its layers must be an integer from 1 to 64: got "1000000"'],
    ['layers', 64, 'its model must have the 202768 numbers of its settings, got 7216'],
    ['layers', 1.5, 'its layers must be an integer from 1 to 64: got "1.5"'],
    ['dModel', 4096, 'its model must have the 202387456 numbers of its settings, got 7216'],
    ['dModel', 1e12, 'its d-model must be an integer from 2 to 4096: got "1000000000000"'],
    [
      'heads',
      3,
      'its d-model must be divisible by twice its heads, for the positions turn pairs of columns: 16 is not',
    ],
    ['context', 1e9, 'its context must be an integer from 2 to 8192: got "1000000000"'],
    ['context', 8192, 'the text must be long enough to hold a tenth of it back'],
    ['steps', -1, 'its steps must be an integer from 1 to 10000000: got "-1"'],
    ['steps', 1e99, 'its steps must be an integer from 1 to 10000000: got "1e+99"'],
    ['learningRate', 0, 'its learning-rate must be a number above 0 and at most 1: got "0"'],
    ['seed', 2 ** 32, 'its seed must be an integer from 0 to 2147483647: got "4294967296"'],
    ['file', '', 'its file must be a path, got "\\"\\""'],
    ['file', ['text.txt'], 'its file must be a path, got'],
    ['file', '/dev/zero', '--file must be readable: "/dev/zero" is no regular file'],
  ])('is refused before anything is built: %s %j', (name, value, message) => {
    const path = crafted((settings) => {
      settings[name] = value;
    });
    expect(() => load(path, 'run')).toThrow(`--resume needs a checkpoint of this program: "run": ${message}`);
  });

  it('is refused whatever its texts say', () => {
    for (const [name, text, message] of [
      ['step', '501', 'its step must be an integer from 0 to 500, got "501"'],
      ['step', '1e1', 'its step must be an integer from 0 to 500, got "1e1"'],
      ['settings', '', ''], // the words are those of JSON.parse
      ['settings', 'null', 'its dModel must be a number, got "undefined"'],
      ['settings', '['.repeat(1e6), 'its settings must be those of a run, got more'],
    ]) {
      const path = crafted((_, texts) => {
        texts[name] = text;
      });
      expect(() => load(path, 'run')).toThrow(`--resume needs a checkpoint of this program: "run": ${message}`);
    }
  });

  it('is not replaced by a new run, unless it is one', () => {
    const path = crafted((settings) => {
      settings.steps = null;
    });
    expect(() => replacedBy(path, 'run')).toThrow('must be new or a checkpoint of this program: "run" is another file');
    expect(
      replacedBy(
        crafted(() => {}),
        'run',
      ),
    ).toBe('a run at step 0 of 500');
  });

  it('is never too large to be read again', () => {
    const folder = folderWithText();
    const { run: settings } = settingsOf(folder);
    for (const change of [{}, { layers: 3, dModel: 24 }, { dModel: 128, heads: 4 }]) {
      const run = newRun({ ...settings, ...change }, readText(settings.file, settings.context));
      const numbers = run.model.parameters().reduce((sum, { data }) => sum + data.length, 0);
      expect(parametersOf(run.settings)).toBe(numbers);
    }
    requireSavable({ ...settings, dModel: 1024, layers: 6 });
    const most = 'a checkpoint must be at most 1073741824 bytes: this one would be ';
    expect(() => requireSavable({ ...settings, dModel: 1024, layers: 7 })).toThrow(most);
  });
});

describe('a run', () => {
  it('that went on from a checkpoint is the run that was never stopped, to the bit', () => {
    const folder = folderWithText();
    const path = join(folder, 'run');
    const whole = runOf(folder, '--steps', '12');
    const losses = Array.from({ length: 12 }, () => trainStep(whole));
    const first = runOf(folder, '--steps', '12');
    const early = Array.from({ length: 5 }, () => trainStep(first));
    first.history.push({ step: 4, loss: early[3], heldBack: 2.5 }, { step: 5, loss: early[4] });
    save(first, path, 'run');
    const second = load(path, 'run');
    expect(second.history).toEqual(first.history);
    expect([...early, ...Array.from({ length: 7 }, () => trainStep(second))]).toEqual(losses);
    expect(second.model.stateDict()).toEqual(whole.model.stateDict());
    expect(second.optimizer.stateDict()).toEqual(whole.optimizer.stateDict());
  });

  it('repeats itself, and is another with another seed', () => {
    const folder = folderWithText();
    const lossOf = (seed: string) => trainStep(runOf(folder, '--seed', seed));
    expect(lossOf('4')).toBe(lossOf('4'));
    expect(lossOf('4')).not.toBe(lossOf('5'));
  });

  it('that is no longer a number stops before anything moves', () => {
    const broken = runOf(folderWithText());
    broken.model.parameters()[0].data.fill(Number.NaN);
    const optimizer = broken.optimizer.stateDict();
    expect(() => trainStep(broken)).toThrow(
      'the loss must stay finite: it is NaN at step 1 (the checkpoint stays as it was; try a lower --learning-rate)',
    );
    expect(broken.step).toBe(0);
    expect(broken.optimizer.stateDict()).toEqual(optimizer);
  });

  it('weighs every sequence held back alike', () => {
    const run = runOf(folderWithText());
    const one = { ...run, settings: { ...run.settings, batch: 1 } };
    expect(heldBackLoss(run)).toBeCloseTo(heldBackLoss(one), 5);
  });
});

describe('its parts', () => {
  it('cut batches whose targets are the next bytes', () => {
    const bytes = Uint8Array.of(5, 6, 7, 8, 9);
    expect(batchAt(bytes, [0, 2], 2)).toEqual({
      ids: Uint8Array.of(5, 6, 7, 8),
      targets: Uint8Array.of(6, 7, 8, 9),
      cuSeqlens: Int32Array.of(0, 2, 4),
    });
  });

  it('measure the entropy of single bytes', () => {
    expect(entropyOf(Uint8Array.of(1, 2, 3, 4))).toBeCloseTo(Math.log(4), 12);
    expect(entropyOf(Uint8Array.of(9, 9))).toBe(0);
  });

  it('draw evenly, and otherwise at every step and seed', () => {
    const draw = drawsOf(1, 0);
    const draws = Array.from({ length: 10_000 }, draw);
    // The mean of n uniform numbers: standard deviation 1/√(12 n) = 0.0029; four of them.
    expect(Math.abs(draws.reduce((a, b) => a + b) / draws.length - 0.5)).toBeLessThan(0.0116);
    expect(Math.min(...draws)).toBeGreaterThanOrEqual(0);
    expect(Math.max(...draws)).toBeLessThan(1);
    expect(new Set([drawsOf(1, 0)(), drawsOf(1, 1)(), drawsOf(2, 0)()]).size).toBe(3);
  });

  it('tell time', () => {
    expect([0, 59.4, 60, 3601, -1].map(clock)).toEqual(['0:00', '0:59', '1:00', '60:01', '0:00']);
  });

  it('show the way on one line of a terminal, in lines elsewhere', () => {
    const written = (isTTY: boolean, columns: number) => {
      const texts: string[] = [];
      const stream = { isTTY, columns, write: (text: string) => texts.push(text) } as unknown as NodeJS.WriteStream;
      const progress = new Progress(stream, 8, 10, 4);
      expect(progress.summary()).toBe('');
      progress.show(5, 1.5, '');
      progress.show(6, 1.25, 'held back 1.000');
      progress.show(7, 1.5, '');
      progress.end();
      progress.end();
      expect(progress.summary()).toMatch(/^3 steps in 0:00, \d+ tokens\/s$/);
      return texts.join('');
    };
    const bar = (filled: number) => '█'.repeat(filled) + '░'.repeat(24 - filled);
    const rest = '\\d+ tokens/s  0:00 left';
    const [five, six, seven] = [5, 6, 7].map((step) => `${bar(3 * step)} ${step}/8  loss 1\\.\\d+  ${rest}`);
    const sixth = `${six}  held back 1\\.000\n`;
    expect(written(true, 200)).toMatch(new RegExp(`^\r\\x1b\\[K${five}\r\\x1b\\[K${sixth}\r\\x1b\\[K${seven}\n$`));
    expect(written(false, 0)).toMatch(new RegExp(`^${sixth}$`));
    // A line that wrapped could not be redrawn: the bar gets shorter, then the line ends early.
    expect(written(true, 70)).toMatch(/K█+░+ 6\/8 .* left {2}held back 1\.000\n/);
    for (const line of written(true, 30).split(/\r|\n/)) expect(line.replace('\x1b[K', '').length).toBeLessThan(30);
  });

  it('thin a long curve without moving it', () => {
    const points = Array.from({ length: 1000 }, (_, i) => ({ step: i + 1, loss: i % 4 === 0 ? Number.NaN : 2 }));
    const few = thinned(points);
    expect(few.length).toBeGreaterThan(150);
    expect(few.length).toBeLessThanOrEqual(300);
    expect(new Set(few.map(({ loss }) => loss))).toEqual(new Set([2]));
    expect(few.every(({ step }, i) => i === 0 || step > few[i - 1].step)).toBe(true);
    expect(thinned(points.slice(1, 4))).toEqual(points.slice(1, 4));
    // More points than a function takes arguments.
    expect(
      curveSvg(
        Array.from({ length: 200_000 }, (_, i) => ({ step: i, loss: 1e30 })),
        3,
        'x',
      ).length,
    ).toBeLessThan(1e5);
  });

  it('draw curves in which a title is only text', () => {
    const title = '</text><script>alert(1)</script> & "x" \u0007';
    const history = [
      { step: 1, loss: 3, heldBack: 2.5 },
      { step: 2, loss: Number.NaN },
    ];
    const svg = parseXml(curveSvg(history, 3, title));
    expect(allElements(svg).map(({ name }) => name)).not.toContain('script');
    expect(allElements(svg).map(textOf)).toContain('</text><script>alert(1)</script> & "x" �');
    expect(curveSvg([], 3, 'empty')).not.toContain('NaN');
    expect(curveSvg(history, 3, 'x')).not.toContain('NaN');
  });

  it('ship the text they learn from by default', () => {
    const { training, heldBack, unigramEntropy } = readText(undefined, 128);
    expect(existsSync(join(projectRoot, 'examples/train/genesis.txt'))).toBe(true);
    expect(training.length + heldBack.length).toBe(197_408);
    expect(unigramEntropy).toBeCloseTo(3.024, 3);
  });
});
