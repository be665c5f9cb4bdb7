/** Storage of numbers: Float32Array everywhere but in the oracle. */
export type Floats = Float32Array | Float64Array;
