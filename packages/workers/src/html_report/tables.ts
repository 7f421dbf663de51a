/**
 * Tables of a page, and the place behind a chart where its numbers are.
 * Next: page.ts
 */
import { html, type Markup, NOTHING } from './markup.ts';

export interface Table {
  readonly caption: string;
  readonly header: readonly string[];
  /** The first cell of a row says what the row is of. */
  readonly rows: readonly (readonly (string | number)[])[];
}

/** Columns whose cells are all numbers, or empty, stand on the right. */
export function tableOf({ caption, header, rows }: Table): Markup {
  const numeric = header.map(
    (_, column) => column > 0 && rows.every((row) => /^[-+−]?[\d.,]*(?:e[-+]?\d+)?(?:\s?%)?\*?$|^-$/.test(String(row[column] ?? ''))),
  );
  const cell = (content: string | number, column: number): Markup => {
    if (column === 0) return html`<th scope="row">${content}</th>`;
    return numeric[column] === true ? html`<td class="n">${content}</td>` : html`<td>${content}</td>`;
  };
  return html`<div class="scroll" tabindex="0" role="region" aria-label="${caption}"><table><caption>${caption}</caption>
<thead><tr>${header.map((name, column) => (numeric[column] === true ? html`<th scope="col" class="n">${name}</th>` : html`<th scope="col">${name}</th>`))}</tr></thead>
<tbody>${rows.map((row) => html`<tr>${header.map((_, column) => cell(row[column] ?? '', column))}</tr>\n`)}</tbody></table></div>`;
}

/** A chart and the tables behind it, folded until somebody wants them. */
export function figure(title: string, chart: Markup, tables: readonly Table[], note = ''): Markup {
  return html`<figure><figcaption>${title}</figcaption>${chart}
${note === '' ? NOTHING : html`<p class="note">${note}</p>`}
<details><summary>Table: ${title}</summary>${tables.map(tableOf)}</details></figure>\n`;
}
