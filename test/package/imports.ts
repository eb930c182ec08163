import { dirname, join, normalize } from 'node:path/posix';
import ts from 'typescript';

/** From the top down: a folder may import only from those after it. docs/architecture.md draws the same order. */
export const LAYERS = [
  'nodes',
  'lib/cli',
  'lib/runtime',
  'lib/vault',
  'lib/market',
  'lib/payments',
  'lib/evidence',
  'lib/machine',
  'lib/journal',
  'lib/ledger',
  'lib/sandbox',
  'lib/threads',
  'lib/values',
  'lib/errors',
];

/** Spoken to over the network like any other node: no folder imports it, but the command that runs it on its own. */
const NEVER_IMPORTED = ['lib/sandbox'];
const RUNS_IT = 'lib/cli';

/** Files that others may import beside a folder's `index.ts`: plain data types that cross threads. */
const SIDE_DOORS = ['lib/payments/order', 'lib/market/market-order'];

export interface Import {
  readonly from: string;
  /** Path without extension, or with `/index` for a folder. */
  readonly to: string;
  readonly typeOnly: boolean;
}

/** The relative imports of a set of sources (path → text). */
export function importsOf(sources: ReadonlyMap<string, string>): Import[] {
  const found: Import[] = [];
  for (const [from, text] of sources) {
    const file = ts.createSourceFile(from, text, ts.ScriptTarget.ES2022);
    const add = (specifier: ts.Node | undefined, typeOnly: boolean) => {
      if (!specifier || !ts.isStringLiteral(specifier) || !specifier.text.startsWith('.')) return;
      // Data has no layer.
      if (specifier.text.endsWith('.json')) return;
      const path = normalize(join(dirname(from), specifier.text)).replace(/\.ts$|\/$/, '');
      found.push({ from, to: sources.has(`${path}.ts`) ? path : `${path}/index`, typeOnly });
    };
    const visit = (node: ts.Node): void => {
      if (ts.isImportDeclaration(node)) add(node.moduleSpecifier, isTypeOnly(node.importClause));
      else if (ts.isExportDeclaration(node)) add(node.moduleSpecifier, node.isTypeOnly);
      else if (ts.isCallExpression(node) && isRequire(node.expression)) add(node.arguments[0], false);
      ts.forEachChild(node, visit);
    };
    visit(file);
  }
  return found;
}

/** Imports that go up, enter a folder beside its door, or reach into what is spoken to over the network. */
export function layerViolations(imports: readonly Import[]): string[] {
  return imports.flatMap(({ from, to }) => {
    const source = layerOf(from);
    const target = layerOf(to);
    if (source === undefined || target === undefined) return [`${from} -> ${to}: not in a layer`];
    if (source === target) return [];
    if (NEVER_IMPORTED.includes(target) && source !== RUNS_IT)
      return [`${from} -> ${to}: ${target} is spoken to over the network only`];
    if (LAYERS.indexOf(target) < LAYERS.indexOf(source)) return [`${from} -> ${to}: goes up`];
    if (to !== `${target}/index` && !SIDE_DOORS.includes(to))
      return [`${from} -> ${to}: not through ${target}/index.ts`];
    return [];
  });
}

/** Every cycle of files that need each other when they load (imports of types vanish and do not count). */
export function cycles(imports: readonly Import[]): string[] {
  const needs = new Map<string, string[]>();
  for (const { from, to, typeOnly } of imports) {
    if (typeOnly) continue;
    const file = from.replace(/\.ts$/, '');
    needs.set(file, [...(needs.get(file) ?? []), to]);
  }
  const found: string[] = [];
  const done = new Set<string>();
  const visit = (file: string, path: readonly string[]) => {
    if (path.includes(file)) {
      found.push([...path.slice(path.indexOf(file)), file].join(' -> '));
      return;
    }
    if (done.has(file)) return;
    for (const next of needs.get(file) ?? []) visit(next, [...path, file]);
    done.add(file);
  };
  for (const file of needs.keys()) visit(file, []);
  return found;
}

function layerOf(path: string): string | undefined {
  return LAYERS.find((layer) => path.startsWith(`${layer}/`));
}

function isTypeOnly(clause: ts.ImportClause | undefined): boolean {
  if (!clause) return false;
  if (clause.isTypeOnly) return true;
  const { name, namedBindings } = clause;
  if (name || !namedBindings || !ts.isNamedImports(namedBindings)) return false;
  return namedBindings.elements.length > 0 && namedBindings.elements.every((element) => element.isTypeOnly);
}

function isRequire(callee: ts.Expression): boolean {
  return callee.kind === ts.SyntaxKind.ImportKeyword || (ts.isIdentifier(callee) && callee.text === 'require');
}
