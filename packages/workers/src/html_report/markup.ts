/**
 * HTML as text that cannot be got wrong by what is put into it: whatever is not markup already is escaped.
 * Next: page.ts
 */

/** HTML that is safe to put into a page. Made by `html` only. */
export class Markup {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

type Part = Markup | string | number | readonly Part[];

const ESCAPES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

/** For text and for quoted values of attributes. Characters that no page may have become what stands for an unknown one. */
export const escaped = (text: string): string =>
  text.replace(/[&<>"']/g, (character) => ESCAPES[character] as string).replace(/[^\t\n\r\u0020-\u{10ffff}]|[\ud800-\udfff]/gu, '\ufffd');

const textOf = (part: Part): string => {
  if (part instanceof Markup) return part.text;
  return typeof part === 'object' ? part.map(textOf).join('') : escaped(String(part));
};

/** A template: what is between the braces is text, unless it is markup. Values of attributes are quoted in the template. */
export function html(strings: TemplateStringsArray, ...parts: readonly Part[]): Markup {
  return new Markup(strings.map((string, place) => (place === 0 ? string : textOf(parts[place - 1] as Part) + string)).join(''));
}

/** Data for a script of the page: JSON in which nothing can end the element that holds it. */
export const jsonMarkup = (value: unknown): Markup =>
  new Markup(JSON.stringify(value).replaceAll('<', '\\u003c').replaceAll('\u2028', '\\u2028').replaceAll('\u2029', '\\u2029'));

export const NOTHING: Markup = new Markup('');
