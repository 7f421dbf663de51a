/**
 * A report: one HTML file with everything inside, which loads nothing and lets nothing in it run but its own script.
 * Next: comparison_section.ts, claims_section.ts, write_report.ts
 */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { claimsSection } from './claims_section.ts';
import { comparisonSection, factList } from './comparison_section.ts';
import { html, Markup, NOTHING } from './markup.ts';
import type { PageData } from './page_data.ts';
import { PAGE_STYLE } from './page_style.ts';
import { runSection } from './run_section.ts';

const SCRIPT = new URL('../page/page.js', import.meta.url);

const sourceOf = (text: string): string => `'sha256-${createHash('sha256').update(text).digest('base64')}'`;

/** @returns the same text for the same data */
export async function reportPage(data: PageData): Promise<string> {
  const script = await readFile(SCRIPT, 'utf8');
  const policy = `default-src 'none'; script-src ${sourceOf(script)}; style-src ${sourceOf(PAGE_STYLE)}; img-src data:; base-uri 'none'; form-action 'none'`;
  const page = html`<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer"><link rel="icon" href="data:,"><title>${data.title}</title>
<style>${new Markup(PAGE_STYLE)}</style></head>
<body><header><h1>${data.title}</h1><p class="note">Measured on a model of Linux page-fault locking, not on a kernel. Times are those of the model.</p>${contents(data)}</header>
<main>${data.claims.map((claims, place) => claimsSection(`claims-${place}`, claims))}${data.comparisons.map((comparison, place) => comparisonSection(`comparison-${place}`, comparison))}${data.runs.map((run, place) => runSection(`run-${place}`, run))}${leftOut(data)}</main>
<script>${new Markup(script)}</script></body></html>
`;
  return page.text;
}

function contents({ claims, comparisons, runs }: PageData): Markup {
  return html`<nav aria-label="Contents"><ul>${claims.map(({ title }, place) => html`<li><a href="#claims-${place}">${title}</a></li>`)}${comparisons.map(
    ({ title, scenarios, timeline }, place) =>
      html`<li><a href="#comparison-${place}">${title}</a><ul>${scenarios.map(
        ({ name }, scenario) => html`<li><a href="#comparison-${place}-s${scenario}">${name}</a></li>`,
      )}${timeline === undefined ? NOTHING : html`<li><a href="#comparison-${place}-timeline">timeline</a></li>`}</ul></li>`,
  )}${runs.map(({ title }, place) => html`<li><a href="#run-${place}">${title}</a></li>`)}</ul></nav>`;
}

const leftOut = (data: PageData): Markup =>
  data.leftOut.length === 0 ? NOTHING : html`<section><h2>Files that are not in this report</h2>${factList(data.leftOut)}</section>`;
