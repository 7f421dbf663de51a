/**
 * Which code of the fault path is left under a policy: walks from the entry of a fault, deciding every condition that follows from the policy's fields,
 * the rules of the entry, and the absence of mutants and of extra checks, through calls with what is known of their arguments.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseAst } from 'rollup/parseAst';

const ROOT_FUNCTION = 'do_user_addr_fault';
/** Folders and files, below dist, whose code is counted; calls of anything else are leaves. */
const COUNTED = [/^fault\/.*\.js$/, /^mm\/vma_lock[a-z_]*\.js$/];

/** Functions by name, and other constants of modules by module and name. */
export function readModules(dist) {
  const functions = new Map();
  const constants = new Map();
  const files = readdirSync(dist, { recursive: true })
    .map((file) => file.replaceAll('\\', '/'))
    .filter((file) => COUNTED.some((pattern) => pattern.test(file)))
    .sort();
  for (const file of files) {
    const text = readFileSync(join(dist, file), 'utf8');
    const lineOf = lineFinder(text);
    for (const statement of parseAst(text).body) {
      const declared = statement.type === 'ExportNamedDeclaration' ? statement.declaration : statement;
      if (declared?.type === 'FunctionDeclaration') add(functions, declared.id.name, { file, lineOf, node: declared });
      if (declared?.type !== 'VariableDeclaration') continue;
      for (const { id, init } of declared.declarations) {
        if (init?.type === 'ArrowFunctionExpression') add(functions, id.name, { file, lineOf, node: init });
        else if (id.type === 'Identifier' && init !== null) constants.set(`${file}:${id.name}`, init);
      }
    }
  }
  return { functions, constants };
}

function add(functions, name, found) {
  functions.set(name, [...(functions.get(name) ?? []), found]);
}

function lineFinder(text) {
  const starts = [0];
  for (let at = text.indexOf('\n'); at >= 0; at = text.indexOf('\n', at + 1)) starts.push(at + 1);
  return (position) => {
    let [low, high] = [0, starts.length];
    while (high - low > 1) {
      const middle = (low + high) >> 1;
      if (starts[middle] <= position) low = middle;
      else high = middle;
    }
    return low + 1;
  };
}

/** @returns lines, branches and places with RETRY that the policy leaves */
export function codeUnder(modules, policy, entry) {
  const walk = new Walk(modules, policy, entry);
  walk.call(ROOT_FUNCTION, undefined, []);
  return { lines: walk.lines.size, branches: walk.branches.size, retries: walk.retries.size };
}

const POLICY = Symbol('policy');
const ENTRY = Symbol('entry');
const UNKNOWN = undefined;

class Walk {
  lines = new Set();
  branches = new Set();
  retries = new Set();
  #modules;
  #policy;
  #entry;
  #known = new Map();
  #constants = new Set();
  #here;

  constructor(modules, policy, entry) {
    this.#modules = modules;
    this.#policy = policy;
    this.#entry = entry;
  }

  /** Walks a function with what is known of its arguments. @returns what it returns, if that is known */
  call(name, from, args) {
    const found = this.#modules.functions.get(name);
    if (found === undefined) return UNKNOWN;
    const { file, lineOf, node } = found.find((each) => each.file === from) ?? found[0];
    const key = `${file}:${name}(${args.map((arg) => (arg === UNKNOWN ? '?' : String(arg))).join()})`;
    if (this.#known.has(key)) return this.#known.get(key);
    this.#known.set(key, UNKNOWN);
    const outer = this.#here;
    this.#here = { file, lineOf, returned: [] };
    const scope = new Map();
    node.params.forEach((param, index) => {
      if (param.type === 'Identifier') scope.set(param.name, args[index]);
      else this.#bind(param, args[index], scope);
    });
    let value = UNKNOWN;
    if (node.body.type === 'BlockStatement') {
      this.#statement(node.body, scope);
      const [first, ...others] = this.#here.returned;
      if (others.every((other) => other === first)) value = first;
    } else {
      this.#mark(node.body);
      value = this.#returning(node.body, scope);
    }
    this.#here = outer;
    this.#known.set(key, value);
    return value;
  }

  #mark(node) {
    const { file, lineOf } = this.#here;
    for (let line = lineOf(node.start); line <= lineOf(node.end - 1); line++) this.lines.add(`${file}:${line}`);
  }

  #branch(node) {
    this.branches.add(`${this.#here.file}:${node.start}`);
  }

  /** @returns whether nothing comes after it */
  #statement(node, scope) {
    switch (node.type) {
      case 'BlockStatement': {
        const inner = new Map(scope);
        return node.body.some((statement) => this.#statement(statement, inner));
      }
      case 'IfStatement':
        return this.#if(node, scope);
      case 'ReturnStatement': {
        this.#mark(node);
        this.#here.returned.push(node.argument === null ? UNKNOWN : this.#returning(node.argument, scope));
        return true;
      }
      case 'ThrowStatement':
        this.#mark(node);
        this.#expression(node.argument, scope);
        return true;
      case 'VariableDeclaration':
        this.#mark(node);
        for (const { id, init } of node.declarations) {
          const value = init === null ? UNKNOWN : this.#expression(init, scope);
          this.#bind(id, node.kind === 'const' ? value : UNKNOWN, scope);
        }
        return false;
      case 'ForStatement':
      case 'WhileStatement':
      case 'DoWhileStatement':
      case 'ForOfStatement':
        return this.#loop(node, scope);
      case 'SwitchStatement':
        return this.#switch(node, scope);
      case 'BreakStatement':
      case 'ContinueStatement':
        this.#mark(node);
        return true;
      case 'ExpressionStatement':
        this.#mark(node);
        this.#expression(node.expression, scope);
        return false;
      default:
        throw new Error(`policy_code: a statement of the kind ${node.type} is not understood (${this.#here.file}).`);
    }
  }

  #if(node, scope) {
    const test = this.#expression(node.test, scope);
    if (test !== UNKNOWN) {
      const taken = test ? node.consequent : node.alternate;
      return taken === null || taken === undefined ? false : this.#statement(taken, new Map(scope));
    }
    this.#branch(node);
    this.#mark(node.test);
    const ends = this.#statement(node.consequent, new Map(scope));
    const elseEnds = node.alternate === null || node.alternate === undefined ? false : this.#statement(node.alternate, new Map(scope));
    return ends && elseEnds;
  }

  #loop(node, scope) {
    const inner = new Map(scope);
    if (node.init?.type === 'VariableDeclaration') this.#statement(node.init, inner);
    if (node.type === 'ForOfStatement') this.#expression(node.right, inner);
    if (node.test !== null && node.test !== undefined) {
      this.#branch(node);
      this.#mark(node.test);
      this.#expression(node.test, inner);
    }
    this.#statement(node.body, inner);
    if (node.update !== null && node.update !== undefined) this.#expression(node.update, inner);
    return false;
  }

  #switch(node, scope) {
    const value = this.#expression(node.discriminant, scope);
    this.#mark(node.discriminant);
    for (const each of node.cases) {
      const wanted = each.test === null ? UNKNOWN : this.#expression(each.test, scope);
      if (value !== UNKNOWN && wanted !== UNKNOWN && wanted !== value) continue;
      if (each.test !== null && value === UNKNOWN) this.#branch(each);
      const inner = new Map(scope);
      each.consequent.some((statement) => this.#statement(statement, inner));
    }
    return false;
  }

  #returning(node, scope) {
    const value = this.#expression(node, scope, true);
    return value;
  }

  #bind(pattern, value, scope) {
    if (pattern.type === 'Identifier') scope.set(pattern.name, value);
    if (pattern.type !== 'ObjectPattern') return;
    for (const property of pattern.properties) {
      if (property.type === 'Property' && property.value.type === 'Identifier') {
        scope.set(property.value.name, this.#field(value, property.key.name));
      }
    }
  }

  /** Only of what is known as a whole, and of any CPU. */
  #field(object, name) {
    if (object === POLICY) return this.#policy[name];
    if (object === ENTRY) return this.#entry[name];
    if (name === 'policy') return POLICY;
    if (name === 'entry') return ENTRY;
    if (name === 'verify') return false;
    return UNKNOWN;
  }

  /** Walks an expression. @returns its value, if that is known */
  #expression(node, scope, returning = false) {
    switch (node.type) {
      case 'Literal':
        return node.value;
      case 'Identifier':
        return this.#identifier(node.name, scope, returning, node);
      case 'MemberExpression': {
        const object = this.#expression(node.object, scope);
        if (node.computed) this.#expression(node.property, scope);
        return node.computed ? UNKNOWN : this.#field(object, node.property.name);
      }
      case 'UnaryExpression': {
        const value = this.#expression(node.argument, scope);
        return node.operator === '!' && value !== UNKNOWN ? !value : UNKNOWN;
      }
      case 'LogicalExpression':
        return this.#logical(node, scope, returning);
      case 'ConditionalExpression': {
        const test = this.#expression(node.test, scope);
        if (test !== UNKNOWN) return this.#expression(test ? node.consequent : node.alternate, scope, returning);
        this.#branch(node);
        const [one, other] = [node.consequent, node.alternate].map((each) => this.#expression(each, scope, returning));
        return one === other ? one : UNKNOWN;
      }
      case 'BinaryExpression':
        return this.#binary(node, scope, returning);
      case 'CallExpression': {
        const args = node.arguments.map((argument) => this.#expression(argument, scope));
        if (node.callee.type === 'Identifier') return this.call(node.callee.name, this.#here.file, args);
        this.#expression(node.callee, scope);
        return UNKNOWN;
      }
      default:
        for (const child of childrenOf(node)) this.#expression(child, scope, returning);
        return UNKNOWN;
    }
  }

  #identifier(name, scope, returning, node) {
    if (scope.has(name)) return scope.get(name);
    if (returning && name === 'VM_FAULT_RETRY') this.retries.add(`${this.#here.file}:${node.start}`);
    if (this.#modules.functions.has(name)) this.call(name, this.#here.file, []);
    const key = `${this.#here.file}:${name}`;
    const init = this.#modules.constants.get(key);
    if (init !== undefined && !this.#constants.has(key)) {
      this.#constants.add(key);
      this.#expression(init, new Map());
    }
    return UNKNOWN;
  }

  #logical(node, scope, returning) {
    const left = this.#expression(node.left, scope, returning);
    if (left === UNKNOWN) {
      this.#branch(node);
      const right = this.#expression(node.right, scope, returning);
      // Whatever the left side is, this is what comes out as a condition.
      if (node.operator === '&&' && right === false) return false;
      return node.operator === '||' && right === true ? true : UNKNOWN;
    }
    const goesOn = node.operator === '&&' ? Boolean(left) : node.operator === '||' ? !left : left === null;
    return goesOn ? this.#expression(node.right, scope, returning) : left;
  }

  #binary(node, scope, returning) {
    const { operator } = node;
    const equality = operator === '===' || operator === '!==';
    if (equality) {
      const given = this.#given(node);
      if (given !== UNKNOWN) return (operator === '===') === given;
    }
    const [left, right] = [this.#expression(node.left, scope, returning), this.#expression(node.right, scope, returning)];
    if (!equality || left === UNKNOWN || right === UNKNOWN) return UNKNOWN;
    return (operator === '===') === (left === right);
  }

  /** Whether two sides are equal that are no constants, but about which the policy leaves no doubt. */
  #given({ left, right }) {
    // There is no mutant.
    if (left.type === 'MemberExpression' && left.property.name === 'mutant') return false;
    // Without VMA locks no attempt has one.
    const flagTest = left.type === 'BinaryExpression' && left.operator === '&' && left.right.name === 'FAULT_FLAG_VMA_LOCK';
    if (flagTest && right.value === 0 && this.#policy.vmaLock === 'none') return true;
    // A policy that holds its lock over I/O on files drops it only to end an attempt.
    const pinTest = left.type === 'MemberExpression' && left.property.name === 'fpin' && right.name === 'NO_MAPPING';
    return pinTest && this.#policy.fileWait === 'hold' ? true : UNKNOWN;
  }
}

function childrenOf(node) {
  return Object.entries(node).flatMap(([key, value]) => {
    if (key === 'type' || value === null || typeof value !== 'object') return [];
    return (Array.isArray(value) ? value : [value]).filter((each) => typeof each?.type === 'string');
  });
}
