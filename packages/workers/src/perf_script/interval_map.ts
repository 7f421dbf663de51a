/**
 * Numbers attached to ranges of pages: sorted, disjoint intervals in three arrays, with binary search.
 * Next: layout.ts keeps an address space in one, order.ts the last change of each page.
 */

export class IntervalMap {
  private readonly starts: number[] = [];
  private readonly ends: number[] = [];
  private readonly values: number[] = [];

  /** Gives every page of [start, end) the value. */
  assign(start: number, end: number, value: number): void {
    if (start >= end) return;
    const at = this.clear(start, end);
    const joinsLeft = at > 0 && this.ends[at - 1] === start && this.values[at - 1] === value;
    const joinsRight = this.starts[at] === end && this.values[at] === value;
    const lowest = joinsLeft ? (this.starts[at - 1] as number) : start;
    const highest = joinsRight ? (this.ends[at] as number) : end;
    this.splice(joinsLeft ? at - 1 : at, Number(joinsLeft) + Number(joinsRight), [lowest], [highest], [value]);
  }

  /** Leaves no page of [start, end) with a value. */
  erase(start: number, end: number): void {
    if (start < end) this.clear(start, end);
  }

  /** Changes the value of every page of [start, end) that has one. */
  update(start: number, end: number, change: (value: number) => number): void {
    if (start >= end) return;
    this.splitAt(start);
    this.splitAt(end);
    for (let index = this.firstEndingAfter(start); index < this.starts.length && (this.starts[index] as number) < end; index++) {
      this.values[index] = change(this.values[index] as number);
    }
  }

  get(page: number): number | undefined {
    const index = this.firstEndingAfter(page);
    return index < this.starts.length && (this.starts[index] as number) <= page ? this.values[index] : undefined;
  }

  /** The first page at or after `page` that has a value, or Infinity. */
  firstFrom(page: number): number {
    const index = this.firstEndingAfter(page);
    return index < this.starts.length ? Math.max(page, this.starts[index] as number) : Number.POSITIVE_INFINITY;
  }

  /** The largest value in [start, end), or undefined when no page there has one. */
  highest(start: number, end: number): number | undefined {
    let highest: number | undefined;
    for (let index = this.firstEndingAfter(start); index < this.starts.length && (this.starts[index] as number) < end; index++) {
      if (highest === undefined || (this.values[index] as number) > highest) highest = this.values[index];
    }
    return highest;
  }

  empty(): void {
    this.starts.length = this.ends.length = this.values.length = 0;
  }

  clone(): IntervalMap {
    const copy = new IntervalMap();
    for (let index = 0; index < this.starts.length; index++)
      copy.append(this.starts[index] as number, this.ends[index] as number, this.values[index] as number);
    return copy;
  }

  *entries(): Generator<readonly [start: number, end: number, value: number]> {
    for (let index = 0; index < this.starts.length; index++)
      yield [this.starts[index] as number, this.ends[index] as number, this.values[index] as number];
  }

  /** Removes [start, end) and returns the index at which the intervals after it begin. */
  private clear(start: number, end: number): number {
    this.splitAt(start);
    this.splitAt(end);
    const from = this.firstEndingAfter(start);
    let to = from;
    while (to < this.starts.length && (this.starts[to] as number) < end) to++;
    this.splice(from, to - from, [], [], []);
    return from;
  }

  private splitAt(page: number): void {
    const index = this.firstEndingAfter(page);
    if (index === this.starts.length || (this.starts[index] as number) >= page) return;
    this.splice(index + 1, 0, [page], [this.ends[index] as number], [this.values[index] as number]);
    this.ends[index] = page;
  }

  private splice(index: number, remove: number, starts: readonly number[], ends: readonly number[], values: readonly number[]): void {
    this.starts.splice(index, remove, ...starts);
    this.ends.splice(index, remove, ...ends);
    this.values.splice(index, remove, ...values);
  }

  private append(start: number, end: number, value: number): void {
    this.starts.push(start);
    this.ends.push(end);
    this.values.push(value);
  }

  /** Index of the first interval that ends after `page`. */
  private firstEndingAfter(page: number): number {
    let low = 0;
    let high = this.ends.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.ends[middle] as number) > page) high = middle;
      else low = middle + 1;
    }
    return low;
  }
}
