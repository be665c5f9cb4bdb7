import { classNameOf, isOfLibrary } from './class-names.js';
import { describe, kindError } from './errors.js';
import type { Names } from './names-elsewhere.js';
import { hintFor } from './options.js';

interface ClassNotes<T> {
  /** A class of the library whose own objects may have further properties all the same: containers of users. */
  open?: unknown;
  /** What other libraries call its properties. */
  elsewhere?: readonly Names[];
  /** Draws an object for console.log: several lines. */
  picture?: (object: T) => string;
  /** What to do instead of JSON. */
  saving?: string;
}

/**
 * From now on it is an error to set a property that objects of a class do not have: nobody would ever read it, and its
 * user would not know (`optimizer.lr = 1e-5`). The objects themselves stay as they are: what JavaScript finds neither in
 * them nor in their classes it looks for in the prototype of all of them, and there it meets this. JSON.stringify is
 * refused in the same way, where a class has no toJSON of its own: '{}' would be a model that is lost.
 *
 * Classes that users derive keep the right to fields of their own. Called by constructors, where the first call counts:
 * nothing happens at import.
 *
 * @param object  that is made now
 * @param prototype  of the class; those that extend it inherit this
 */
export function prepareClass<T extends object>(object: T, prototype: T, about: ClassNotes<T> = {}): void {
  refuseSettings(object);
  if (Object.getPrototypeOf(prototype) !== Object.prototype) return; // done
  const { open, elsewhere, picture, saving } = about;
  const set = (target: object, key: string | symbol, value: unknown, receiver: object): boolean => {
    if (typeof key === 'symbol' || receiver.constructor === open || !isOfLibrary(receiver))
      return Reflect.set(target, key, value, receiver);
    const hint = hintFor(key, settable(receiver), { elsewhere });
    const given = `unknown property ${describe(key)}`;
    throw kindError(classNameOf(receiver), 'a property that is set must exist', given, hint);
  };
  const base = {
    toJSON(this: object): never {
      throw noJson(classNameOf(this), saving);
    },
  };
  Object.setPrototypeOf(prototype, new Proxy(base, { set }));
  if (picture === undefined) return;
  // What console.log of Node, Bun and Deno calls instead of drawing an object itself.
  Object.defineProperty(prototype, Symbol.for('nodejs.util.inspect.custom'), {
    value(this: T, depth: number) {
      return depth < 0 ? picture(this).split('\n', 1)[0] : picture(this);
    },
    configurable: true,
    writable: true,
  });
}

/** Prototypes whose getters refuse to be set, and the setters that do. */
const done = /* @__PURE__ */ new WeakSet<object>();

/**
 * What has only a getter cannot be set; but outside of modules JavaScript says nothing then, and elsewhere only that. From
 * now on the classes of an object say it.
 */
function refuseSettings(object: object): void {
  let isOurs = false; // classes of users come before those that they extend
  for (let holder = Object.getPrototypeOf(object); !done.has(holder); holder = Object.getPrototypeOf(holder)) {
    if (holder === null || holder.constructor === Object) return;
    done.add(holder);
    isOurs ||= isOfLibrary(holder);
    if (!isOurs) continue;
    for (const [name, property] of Object.entries(Object.getOwnPropertyDescriptors(holder))) {
      if (property.get === undefined || property.set !== undefined) continue;
      const set = function (this: object): never {
        throw kindError(classNameOf(this), `${name} must stay as it is`, 'it was set', 'make another one');
      };
      done.add(set);
      Object.defineProperty(holder, name, { ...property, set });
    }
  }
}

/** The names of the properties that can be set. */
function settable(object: object): string[] {
  const names: string[] = [];
  for (let holder = object; holder.constructor !== Object; holder = Object.getPrototypeOf(holder)) {
    for (const [name, { writable, set }] of Object.entries(Object.getOwnPropertyDescriptors(holder))) {
      if ((writable && holder === object) || (set !== undefined && !done.has(set))) names.push(name);
    }
  }
  return names;
}

/** JSON would keep none of the numbers, and say nothing. */
export function noJson(where: string, saving?: string): TypeError {
  return kindError(`${where}.toJSON`, 'numbers must not become JSON', 'they would be lost', saving);
}
