/**
 * A single run on a page: its facts, what went wrong, its timeline, and tables of what it counted.
 * Next: timeline_section.ts
 */
import { factList, warningList } from './comparison_section.ts';
import { html, type Markup, NOTHING } from './markup.ts';
import type { ShownRunFile } from './page_data.ts';
import { tableOf } from './tables.ts';
import { timelineSection } from './timeline_section.ts';

/** @param id unlike that of any other section of the page */
export function runSection(id: string, { title, facts, warnings, tables, timeline }: ShownRunFile): Markup {
  return html`<section id="${id}" aria-labelledby="${id}-title"><h2 id="${id}-title">${title}</h2>${factList(facts)}${warningList(warnings)}
${timeline === undefined ? NOTHING : timelineSection(`${id}-timeline`, timeline)}
${tables.map((table) => html`<details><summary>${table.caption}</summary>${tableOf(table)}</details>`)}</section>
`;
}
