/**
 * Just enough of TypeScript's surface to look at code without being fooled by comments and texts.
 * Blanked characters become spaces, so that line numbers stay what they were.
 */

/** Returns `{ uncommented, code }`: the source without comments, and without the insides of texts and patterns too. */
export function readSource(text) {
  const kinds = classify(text);
  const keep = (wanted) => [...kinds].map((kind, at) => (text[at] === '\n' || wanted.includes(kind) ? text[at] : ' ')).join('');
  return { uncommented: keep('ct'), code: keep('c') };
}

/** The line, counted from 1, of a position. */
export function lineAt(text, position) {
  return text.slice(0, position).split('\n').length;
}

/** Every import or re-export of a comment-free source: `{ specifier, position }`. */
export function importsOf(uncommented) {
  const statements = /(?:^|[\s;}])(?:import|export)\s(?:[\w\s{},*$]*?\sfrom\s)?\s*(['"])([^'"\n]+)\1|import\(\s*(['"])([^'"\n]+)\3/g;
  return [...uncommented.matchAll(statements)].map((match) => ({
    specifier: match[2] ?? match[4],
    position: match.index + match[0].lastIndexOf(match[1] ?? match[3], match[0].length - 2),
  }));
}

/** One letter per UTF-16 unit: 'c' code, 't' the inside of a text or pattern, 'n' a note, that is, a comment. */
function classify(text) {
  const kinds = new Array(text.length).fill('c');
  const templateDepths = []; // brace depth at which each open `${` ends
  let depth = 0;
  let at = 0;
  const mark = (end, kind) => {
    kinds.fill(kind, at, end);
    at = end;
  };
  const template = () => {
    const { end, opens } = endOfTemplate(text, at);
    mark(end, 't');
    if (opens) {
      templateDepths.push(depth);
      at += 2;
    } else at += 1;
  };
  while (at < text.length) {
    const two = text.slice(at, at + 2);
    const one = text[at];
    if (two === '//') mark(orEnd(text.indexOf('\n', at), text), 'n');
    else if (two === '/*') mark(orEnd(text.indexOf('*/', at + 2) + 1, text) + 1, 'n');
    else if (one === "'" || one === '"') {
      at += 1;
      mark(endOfText(text, at, one), 't');
      at += 1;
    } else if (one === '`') {
      at += 1;
      template();
    } else if (one === '}' && templateDepths.at(-1) === depth) {
      templateDepths.pop();
      at += 1;
      template();
    } else if (one === '/' && startsPattern(text, at)) {
      at += 1;
      mark(endOfPattern(text, at), 't');
      at += 1;
    } else {
      if (one === '{') depth += 1;
      if (one === '}') depth -= 1;
      at += 1;
    }
  }
  return kinds.slice(0, text.length);
}

const orEnd = (position, text) => (position <= 0 ? text.length : position);

function endOfText(text, from, quote) {
  let at = from;
  while (at < text.length && text[at] !== quote && text[at] !== '\n') at += text[at] === '\\' ? 2 : 1;
  return Math.min(at, text.length);
}

function endOfTemplate(text, from) {
  let at = from;
  while (at < text.length && text[at] !== '`') {
    if (text.startsWith('${', at)) return { end: at, opens: true };
    at += text[at] === '\\' ? 2 : 1;
  }
  return { end: Math.min(at, text.length), opens: false };
}

function endOfPattern(text, from) {
  let inClass = false;
  let at = from;
  while (at < text.length && text[at] !== '\n' && (inClass || text[at] !== '/')) {
    if (text[at] === '[') inClass = true;
    if (text[at] === ']') inClass = false;
    at += text[at] === '\\' ? 2 : 1;
  }
  return Math.min(at, text.length);
}

/** A slash starts a pattern where a value may start: after an operator, an opening bracket or a keyword. */
function startsPattern(text, at) {
  const before = text.slice(Math.max(0, at - 40), at).trimEnd();
  return before === '' || /[([{,;:=!&|?+\-*%<>~^]$/.test(before) || /\b(?:return|typeof|case|of|in|await|yield)$/.test(before);
}
