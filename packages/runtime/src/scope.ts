/** Something that can be closed and waited for. */
export type Closable = AsyncDisposable | Disposable;

/**
 * What a process has open: last opened is closed first, and each close is waited for.
 * A close that fails does not keep the others open; the errors come together, as `SuppressedError`, at the end.
 */
export type Scope = AsyncDisposable & {
  /** Takes over the closing of a resource and returns it. */
  use<T extends Closable>(resource: T, name?: string): T;
  /** Runs `close` when the scope closes. */
  defer(close: () => void | Promise<void>, name?: string): void;
  /** Names of what is not closed yet, the one being closed first. */
  open(): string[];
};

const describe = (resource: Closable): string => {
  const name = resource.constructor?.name;
  return name === undefined || name === 'Object' ? 'a resource' : name;
};

/** Opens an empty scope. */
export const openScope = (): Scope => {
  const stack = new AsyncDisposableStack();
  const names: string[] = [];
  const defer: Scope['defer'] = (close, name = close.name || 'a deferred close') => {
    names.push(name);
    stack.defer(async () => {
      try {
        await close();
      } finally {
        names.pop();
      }
    });
  };
  return {
    use(resource, name = describe(resource)) {
      defer(async () => {
        if (Symbol.asyncDispose in resource) await resource[Symbol.asyncDispose]();
        else resource[Symbol.dispose]();
      }, name);
      return resource;
    },
    defer,
    open: () => names.toReversed(),
    [Symbol.asyncDispose]: () => stack.disposeAsync(),
  };
};
