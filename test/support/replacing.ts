/** Runs a function with a part of the global WebAssembly replaced. */
export function replacing<T>(part: 'Memory' | 'Module' | 'validate', value: unknown, body: () => T): T {
  const holder = WebAssembly as unknown as Record<string, unknown>;
  const before = holder[part];
  holder[part] = value;
  try {
    return body();
  } finally {
    holder[part] = before;
  }
}
