/**
 * Reads the words of one line from left to right. Whatever does not fit becomes one sentence with file, line and the right form.
 * Next: areas.ts
 */
import { UsageError } from '@faultlab/core/base/errors';
import { PROT_EXEC, PROT_READ, PROT_WRITE } from '@faultlab/core/mm/mman';

/** Pages that a script can name. */
export const ARENA_PAGES = 4096;
const FILE_PAGES_MAX = 65_536;

/** Where a line is, for messages. */
export interface ScriptPlace {
  readonly file: string;
  /** From 1. */
  readonly line: number;
  readonly text: string;
}

/** A mistake in a script or a record. */
export function badLine({ file, line, text }: ScriptPlace, what: string, wayOut: string): UsageError {
  return new UsageError(`${file}, line ${line}: ${what} in ${JSON.stringify(shortened(text, 80))}; ${wayOut}.`);
}

/** A word of the user's inside a sentence, which stays readable whatever it is. */
export const shortened = (word: string, most = 40): string => (word.length > most ? `${word.slice(0, most)}...` : word);

/** A run of pages of the arena. */
export interface PageRange {
  readonly start: number;
  readonly pages: number;
}

export class Words {
  readonly #place: ScriptPlace;
  readonly #words: readonly string[];
  readonly #usage: string;
  readonly #files: Set<string>;
  #at = 0;

  /** @param files names of files made so far in the script; grows with `newFile` */
  constructor(place: ScriptPlace, words: readonly string[], usage: string, files: Set<string>) {
    this.#place = place;
    this.#words = words;
    this.#usage = usage;
    this.#files = files;
  }

  get more(): boolean {
    return this.#at < this.#words.length;
  }

  get nextIsNumber(): boolean {
    return /^\d+$/.test(this.#words[this.#at] ?? '');
  }

  /** The next word. */
  word(what: string): string {
    const word = this.#words[this.#at];
    if (word === undefined) throw this.bad(`${what} is missing`);
    this.#at++;
    return word;
  }

  number(what: string, least: number, most: number): number {
    const word = this.word(what);
    if (!/^\d{1,9}$/.test(word) || Number(word) < least || Number(word) > most) {
      throw this.bad(`${what} is "${shortened(word)}", but it must be a whole number from ${least} to ${most},`);
    }
    return Number(word);
  }

  /** A page of the arena. */
  page(what = 'PAGE'): number {
    return this.number(what, 0, ARENA_PAGES - 1);
  }

  /** Two words: the first page, and how many pages, all of them in the arena. */
  range(start = 'START', pages = 'LEN'): PageRange {
    const first = this.page(start);
    return { start: first, pages: this.number(pages, 0, ARENA_PAGES - first) };
  }

  /** Size of a file. */
  fileSize(): number {
    return this.number('PAGES', 0, FILE_PAGES_MAX);
  }

  /** A page of a file. */
  fileIndex(what: string): number {
    return this.number(what, 0, FILE_PAGES_MAX);
  }

  /** "rw", "r", "-" and the like, as PROT_* bits. */
  protection(): number {
    const word = this.word('PROT');
    if (!/^(?:-|(?=.)r?w?x?)$/.test(word))
      throw this.bad(`PROT is "${shortened(word)}", but it must be - or some of r, w and x in this order,`);
    const bit = (letter: string, value: number): number => (word.includes(letter) ? value : 0);
    return bit('r', PROT_READ) | bit('w', PROT_WRITE) | bit('x', PROT_EXEC);
  }

  /** One of the words that are keys of `table`. */
  oneOf<T>(what: string, table: ReadonlyMap<string, T>): T {
    const word = this.word(what);
    const value = table.get(word);
    if (value === undefined) throw this.bad(`${what} is "${shortened(word)}", but it must be one of ${[...table.keys()].join(', ')},`);
    return value;
  }

  /** The name of a file that the script has not used yet. */
  newFile(): string {
    const name = this.word('NAME');
    if (!/^[A-Za-z_][\w.-]*$/.test(name) || name === 'anon') {
      throw this.bad(`NAME is "${shortened(name)}", but it must begin with a letter, have no blanks, and not be anon,`);
    }
    if (this.#files.has(name)) throw this.bad(`the file ${shortened(name)} exists already`);
    this.#files.add(name);
    return name;
  }

  /** The name of a file that an earlier line made. */
  knownFile(): string {
    const name = this.word('NAME');
    if (!this.#files.has(name)) throw this.bad(`no earlier line makes a file "${shortened(name)}"`);
    return name;
  }

  /** The same, or undefined for the word anon. */
  knownFileOrAnon(): string | undefined {
    if (this.#words[this.#at] !== 'anon') return this.knownFile();
    this.#at++;
    return undefined;
  }

  /** No words may be left. */
  end(): void {
    const left = this.#words.slice(this.#at);
    if (left.length > 0) throw this.bad(`"${shortened(left.join(' '))}" is too much`);
  }

  bad(what: string): UsageError {
    return badLine(this.#place, what, `the form is: ${this.#usage}`);
  }
}
