/** The target with one method replaced by what `make` makes of it. */
export function replacing<T extends object, K extends keyof T>(
  target: T,
  method: K,
  make: (real: T[K]) => T[K],
): T {
  return new Proxy(target, {
    get(_target, name) {
      const own = Reflect.get(target, name) as unknown;
      if (typeof own !== 'function') return own;
      const real = own.bind(target) as T[K];
      return name === method ? make(real) : real;
    },
  });
}

/** The target, with one of its methods failing as an outage would make it. */
export function failing<T extends object, K extends keyof T>(target: T, method: K, times: number): T {
  let left = times;
  return replacing(target, method, (real) => {
    const failingFirst = (...args: unknown[]) => {
      if (left-- > 0) throw new Error('outage');
      return (real as (...all: unknown[]) => unknown)(...args);
    };
    return failingFirst as T[K];
  });
}
