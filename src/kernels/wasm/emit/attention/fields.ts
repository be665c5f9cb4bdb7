import {
  ATTENTION_FIELDS,
  type AttentionField,
  BACKWARD_FIELDS,
  type BackwardField,
} from '../../module/attention-record.js';
import { NR } from '../../module/product-tile.js';
import type { FunctionBuilder } from '../language/builder.js';
import type { Int } from '../language/values.js';
import type { IntVariable } from '../language/variables.js';

// What the kernels of attention read of a call: the fields of its record and the extent of a sequence.

export type Field = (name: AttentionField) => Int;

export const fieldsOf =
  (record: Int): Field =>
  (name) =>
    record.int(ATTENTION_FIELDS.indexOf(name) * 4);

export type BackwardFields = (name: BackwardField) => Int;

export const backwardFieldsOf =
  (record: Int): BackwardFields =>
  (name) =>
    record.int(BACKWARD_FIELDS.indexOf(name) * 4);

/** The arguments of what works on query rows [query, query + rows) of one head, in the scratch of one thread. */
export const TILE_ARGUMENTS = {
  record: 'int',
  scratch: 'int',
  sequence: 'int',
  head: 'int',
  query: 'int',
  rows: 'int',
} as const;

/** Locals under the names of fields: with the place of an array in the scratch, and with the field itself. */
export function localsOf<Name extends string>(f: FunctionBuilder, field: (name: Name) => Int, scratch: Int) {
  return {
    place: (name: Name) => f.intVariable(name, scratch.plus(field(name))),
    value: (name: Name) => f.intVariable(name, field(name)),
  };
}

export const roundUp = (x: Int): Int => x.plus(NR - 1).and(-NR);

/** Bytes from a row of O or dV in the scratch to the next. */
export const valueStrideOf = (field: Field): Int => roundUp(field('valueWidth')).shl(2);

/** Bytes from a row of dQ or dK in the scratch to the next. */
export const keyStrideOf = (field: Field): Int => roundUp(field('keyWidth')).shl(2);

/** Query heads that read one key/value head. */
export const groupOf = (field: Field): Int => field('numHeads').dividedBy(field('numKvHeads'));

/** Whether any weight is dropped. */
export const dropsAny = (field: Field): Int => field('dropThreshold').or(field('dropAll'));

export interface Sequence {
  /** First query row in the packed matrix. */
  queryRow: IntVariable;
  numQueries: IntVariable;
  /** First key row in the packed matrix. */
  keyRow: IntVariable;
  numKeys: IntVariable;
  /** Position of query 0 among the keys. */
  offset: IntVariable;
}

/** Locals that describe one sequence, set here. */
export function sequenceOf(f: FunctionBuilder, field: Field, sequence: Int): Sequence {
  const entry = (name: AttentionField, next = 0) => field(name).plus(sequence.shl(2)).int(next);
  const queryRow = f.intVariable('queryRow', entry('cuSeqlens'));
  const numQueries = f.intVariable('numQueries', entry('cuSeqlens', 4).minus(queryRow));
  const keyRow = f.intVariable('keyRow', entry('cuSeqlensK'));
  const numKeys = f.intVariable('numKeys', entry('cuSeqlensK', 4).minus(keyRow));
  const offset = f.intVariable('offset', entry('offsets'));
  return { queryRow, numQueries, keyRow, numKeys, offset };
}
