import { describe, kindError, requireArrayLike, requireSize, shapeError, shapeText } from '../../core/errors.js';
import { isMatrix, type Matrix, requireMatrix } from '../../matrix/matrix.js';
import { kept } from '../../matrix/tape.js';

// The options with one entry for each pair of a query and a key, or for each key.

/** 1 or true = may attend. (Lq × Lk), or (numHeads·Lq × Lk) with row h·Lq + i for one a head. */
export type Mask = Uint8Array | readonly (readonly boolean[])[];

/** The mask as bytes, its length (Lq × columns) or (numHeads·Lq × columns). */
export function checkMask(where: string, mask: unknown, rows: number, columns: number, numHeads: number) {
  if (mask === undefined) return undefined;
  const bytes = Array.isArray(mask) ? maskBytes(where, mask, rows, columns, numHeads) : mask;
  if (!isBytes(bytes)) throw maskKindError(where, mask);
  if (bytes.length !== rows * columns && bytes.length !== numHeads * rows * columns) {
    throw shapeError(where, maskRule('mask', rows, columns, numHeads), `got ${bytes.length} entries`);
  }
  return bytes === mask ? kept(bytes) : bytes;
}

function maskKindError(where: string, mask: unknown): TypeError {
  const hint = isMatrix(mask) || mask instanceof Float32Array ? 'numbers to add to the logits are a bias' : undefined;
  return kindError(where, 'mask must be a Uint8Array or boolean[][]', `got ${describe(mask)}`, hint);
}

function keyMaskKindError(where: string, keyMask: unknown): TypeError {
  const hint = Array.isArray(keyMask) ? 'use Uint8Array.from(keyMask)' : undefined;
  return kindError(where, 'keyMask must be a Uint8Array', `got ${describe(keyMask)}`, hint);
}

function maskRule(name: string, rows: number, columns: number, numHeads: number): string {
  const perHead = numHeads === 1 ? '' : ` or (numHeads·Lq × Lk) = ${numHeads * rows}×${columns}`;
  return `${name} must be (Lq × Lk) = ${rows}×${columns}${perHead}`;
}

function maskBytes(where: string, mask: unknown[], rows: number, columns: number, numHeads: number): Uint8Array {
  if (mask.length !== rows && mask.length !== numHeads * rows) {
    throw shapeError(where, maskRule('mask', rows, columns, numHeads), `got ${mask.length} rows`);
  }
  requireSize(where, 'mask', mask.length, columns);
  const bytes = new Uint8Array(mask.length * columns);
  for (let r = 0; r < mask.length; r++) {
    const row = mask[r];
    requireArrayLike(where, `mask[${r}]`, row);
    if (row.length !== columns) {
      throw shapeError(where, maskRule('mask', rows, columns, numHeads), `row ${r} has ${row.length} entries`);
    }
    for (let c = 0; c < columns; c++) {
      const flag = row[c];
      if (typeof flag !== 'boolean' && flag !== 0 && flag !== 1) {
        const hint = typeof flag === 'number' ? 'numbers to add to the logits are a bias' : undefined;
        throw kindError(where, `mask[${r}][${c}] must be true or false`, `got ${describe(flag)}`, hint);
      }
      bytes[r * columns + c] = flag ? 1 : 0;
    }
  }
  return bytes;
}

function isBytes(value: unknown): value is Uint8Array {
  return value instanceof Uint8Array || Object.prototype.toString.call(value) === '[object Uint8Array]';
}

export function checkKeyMask(where: string, keyMask: unknown, rows: number): Uint8Array | undefined {
  if (keyMask === undefined) return undefined;
  if (!isBytes(keyMask)) throw keyMaskKindError(where, keyMask);
  if (keyMask.length === rows) return kept(keyMask);
  throw shapeError(where, `keyMask must have one entry for each of the ${rows} key rows`, `got ${keyMask.length}`);
}

export function checkBias(where: string, bias: Matrix, rows: number, columns: number, numHeads: number): Matrix {
  requireMatrix(where, 'bias', bias);
  if (bias.cols === columns && (bias.rows === rows || bias.rows === numHeads * rows)) return bias;
  throw shapeError(where, maskRule('bias', rows, columns, numHeads), `got ${shapeText(bias)}`);
}

/** Their kinds, before there is a q or a k to measure them against. */
export function requireMaskKinds(where: string, { mask, keyMask }: { mask?: unknown; keyMask?: unknown }): void {
  if (mask !== undefined && !Array.isArray(mask) && !isBytes(mask)) throw maskKindError(where, mask);
  if (keyMask !== undefined && !isBytes(keyMask)) throw keyMaskKindError(where, keyMask);
}
