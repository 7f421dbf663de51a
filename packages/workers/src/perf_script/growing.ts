/**
 * Typed arrays that grow by doubling, for tables whose length is known only at the end of the file.
 * Next: op_builder.ts
 */

type Column = Float64Array | Int32Array | Uint16Array | Uint8Array;

const LENGTH_FIRST = 1024;

export class Growing<T extends Column> {
  length = 0;
  private items: T;
  private readonly make: (length: number) => T;

  constructor(make: (length: number) => T) {
    this.make = make;
    this.items = make(LENGTH_FIRST);
  }

  push(value: number): void {
    if (this.length === this.items.length) {
      const wider = this.make(this.items.length * 2);
      wider.set(this.items);
      this.items = wider;
    }
    this.items[this.length++] = value;
  }

  at(index: number): number {
    return this.items[index] as number;
  }

  put(index: number, value: number): void {
    this.items[index] = value;
  }

  /** The values so far, as an array of exactly that length. */
  finish(): T {
    return this.items.slice(0, this.length) as T;
  }
}

export const growingInt32 = (): Growing<Int32Array> => new Growing((length) => new Int32Array(length));
export const growingFloat64 = (): Growing<Float64Array> => new Growing((length) => new Float64Array(length));
export const growingUint16 = (): Growing<Uint16Array> => new Growing((length) => new Uint16Array(length));
export const growingUint8 = (): Growing<Uint8Array> => new Growing((length) => new Uint8Array(length));
