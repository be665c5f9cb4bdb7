// Loads a module with every start-up effect trapped, and prints as JSON what the module did while it loaded: calls of
// what compiles or starts something, and properties it added to, removed from or replaced on globals.
// Usage: node test/support/import-traps.mjs <module> (a .cjs path is required, all else imported).
import { createRequire, syncBuiltinESMExports } from 'node:module';
import process from 'node:process';
import { pathToFileURL } from 'node:url';

const require = createRequire(import.meta.url);
const done = [];

/** Replaces a function or constructor by one that notes the call and goes on. */
function trap(owner, name, label) {
  const original = owner[name];
  if (typeof original !== 'function') return;
  owner[name] = new Proxy(original, {
    apply(target, self, args) {
      done.push(`called ${label}`);
      return Reflect.apply(target, self, args);
    },
    construct(target, args, newTarget) {
      done.push(`constructed ${label}`);
      return Reflect.construct(target, args, newTarget);
    },
  });
}

// Loading this module of Node constructs a SharedArrayBuffer, so it comes before that trap.
trap(require('node:worker_threads'), 'Worker', 'worker_threads.Worker');
for (const name of ['Module', 'Instance', 'Memory', 'Table', 'compile', 'instantiate', 'validate']) {
  trap(WebAssembly, name, `WebAssembly.${name}`);
}
const timers = ['setTimeout', 'setInterval', 'setImmediate', 'queueMicrotask'];
for (const name of ['SharedArrayBuffer', 'Worker', 'FinalizationRegistry', 'MessageChannel', 'fetch', ...timers]) {
  trap(globalThis, name, name);
}
syncBuiltinESMExports();
for (const name of ['log', 'info', 'warn', 'error']) trap(console, name, `console.${name}`);

/** Every property of the globals that a library could patch, with the value it has now. */
function picture() {
  const entries = new Map();
  const look = (label, object) => {
    for (const key of Reflect.ownKeys(object)) {
      const { value, get, set } = Reflect.getOwnPropertyDescriptor(object, key);
      entries.set(`${label}.${String(key)}`, value ?? get ?? set);
    }
  };
  look('globalThis', globalThis);
  for (const name of Object.getOwnPropertyNames(globalThis)) {
    const { value } = Object.getOwnPropertyDescriptor(globalThis, name);
    if (value === globalThis || (typeof value !== 'function' && typeof value !== 'object') || value === null) continue;
    look(name, value);
    if (typeof value === 'function' && value.prototype) look(`${name}.prototype`, value.prototype);
  }
  return entries;
}

const path = process.argv[2];
// From 24 on Node makes globals and registries of its own when they are first looked at: they are not the module's.
picture();
done.length = 0;
const before = picture();
if (path.endsWith('.cjs')) require(path);
else await import(pathToFileURL(path).href);
const after = picture();

for (const [key, value] of after) {
  if (!before.has(key)) done.push(`added ${key}`);
  else if (!Object.is(before.get(key), value)) done.push(`replaced ${key}`);
}
for (const key of before.keys()) if (!after.has(key)) done.push(`removed ${key}`);
process.stdout.write(JSON.stringify(done));
