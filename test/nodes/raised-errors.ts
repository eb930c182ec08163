import { dirname, join } from 'node:path';
import ts from 'typescript';

/** One kind of error that the sources can raise. `detail` is null where it is not written down in the file. */
export interface RaisedError {
  readonly code: string;
  readonly detail: string | null;
  readonly file: string;
  readonly line: number;
}

/** Functions that a source exports and that raise what their callers say. */
export function exportedRaisers(file: string, text: string): Raiser[] {
  const { source, raisers } = study(file, text, []);
  const exported = new Set(
    source.statements
      .filter((statement) => ts.isFunctionDeclaration(statement))
      .filter((statement) => statement.modifiers?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword))
      .map(({ name }) => name?.text),
  );
  return [...raisers.values()].filter(({ name }) => exported.has(name));
}

/**
 * Which errors a source raises: `new CodedError('CODE', 'detail', …)`, and calls of functions of the same file that pass
 * their parameters on to it, however many functions deep.
 */
export function raisedErrors(file: string, text: string, foreign: readonly Raiser[] = []): RaisedError[] {
  return [...study(file, text, foreign).found.values()];
}

function study(file: string, text: string, foreign: readonly Raiser[]) {
  const source = ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true);
  const known = foreign.filter((raiser) => imports(source, raiser));
  const raisers = new Map<string, Raiser>(known.map((raiser) => [raiser.name, raiser]));
  const found = new Map<string, RaisedError>();
  let size = -1;
  while (size !== raisers.size) {
    size = raisers.size;
    const visit = (node: ts.Node): void => {
      for (const raised of raisedBy(node, raisers)) {
        for (const code of values(raised.code, node)) {
          for (const detail of values(raised.detail, node)) {
            if (typeof code === 'string' && (typeof detail === 'string' || detail === null)) {
              const line = source.getLineAndCharacterOfPosition(node.getStart()).line + 1;
              found.set(`${code} ${detail} ${line}`, { code, detail, file, line });
            }
            const passedOn = typeof code === 'object' || typeof detail === 'object';
            if (passedOn && code !== null && detail !== null) {
              const name = enclosingFunction(node);
              if (name) raisers.set(name, { file, name, code, detail });
            }
          }
        }
      }
      ts.forEachChild(node, visit);
    };
    visit(source);
  }
  return { source, raisers, found };
}

/** A function that raises an error: its code and detail are fixed, or the parameter with that index. */
export interface Raiser {
  readonly file: string;
  readonly name: string;
  readonly code: string | { readonly parameter: number };
  readonly detail: string | { readonly parameter: number };
}

/** Whether a source imports this function from the file that has it, or through the door of its folder. */
function imports(source: ts.SourceFile, { file, name }: Raiser): boolean {
  return source.statements.some((statement) => {
    if (!ts.isImportDeclaration(statement) || !ts.isStringLiteral(statement.moduleSpecifier)) return false;
    const names = statement.importClause?.namedBindings;
    if (!names || !ts.isNamedImports(names) || !names.elements.some((element) => element.name.text === name))
      return false;
    const path = join(dirname(source.fileName), statement.moduleSpecifier.text);
    return file === `${path}.ts` || dirname(file) === path;
  });
}

interface Raised {
  readonly code: ts.Expression | string | undefined;
  readonly detail: ts.Expression | string | undefined;
}

function raisedBy(node: ts.Node, raisers: ReadonlyMap<string, Raiser>): Raised[] {
  if (ts.isNewExpression(node) && node.expression.getText() === 'CodedError') {
    return [{ code: node.arguments?.[0], detail: node.arguments?.[1] }];
  }
  if (!ts.isCallExpression(node)) return [];
  const name = node.expression.getText().replace(/^this\./, '');
  const raiser = raisers.get(name);
  if (!raiser) return [];
  const argument = (at: string | { readonly parameter: number }) =>
    typeof at === 'string' ? at : node.arguments[at.parameter];
  return [{ code: argument(raiser.code), detail: argument(raiser.detail) }];
}

type Value = string | null | { readonly parameter: number };

/** What an expression can be: literals, the branches of a conditional, a parameter of the function around it, or unknown. */
function values(expression: ts.Expression | string | undefined, at: ts.Node): Value[] {
  if (expression === undefined) return [null];
  if (typeof expression === 'string') return [expression];
  if (ts.isStringLiteralLike(expression)) return [expression.text];
  if (ts.isParenthesizedExpression(expression)) return values(expression.expression, at);
  if (ts.isConditionalExpression(expression)) {
    return [...values(expression.whenTrue, at), ...values(expression.whenFalse, at)];
  }
  if (ts.isIdentifier(expression)) {
    const parameters = functionAround(at)?.parameters ?? [];
    const parameter = parameters.findIndex(({ name }) => name.getText() === expression.text);
    if (parameter >= 0) {
      const literals = literalsOf(parameters[parameter]?.type);
      return literals ?? [{ parameter }];
    }
  }
  return [null];
}

/** `'a' | 'b'` as a type says all that can be raised; a plain `string` does not. */
function literalsOf(type: ts.TypeNode | undefined): string[] | undefined {
  const parts = type && ts.isUnionTypeNode(type) ? type.types : type ? [type] : [];
  const literals = parts.map((part) =>
    ts.isLiteralTypeNode(part) && ts.isStringLiteral(part.literal) ? part.literal.text : undefined,
  );
  return literals.length > 0 && literals.every((literal) => literal !== undefined) ? (literals as string[]) : undefined;
}

function functionAround(node: ts.Node): ts.FunctionLikeDeclaration | undefined {
  for (let around = node.parent; around; around = around.parent) {
    if (ts.isFunctionDeclaration(around) || ts.isMethodDeclaration(around)) return around;
    if (ts.isArrowFunction(around) && ts.isVariableDeclaration(around.parent)) return around;
  }
  return undefined;
}

function enclosingFunction(node: ts.Node): string | undefined {
  const around = functionAround(node);
  if (around && ts.isArrowFunction(around)) return (around.parent as ts.VariableDeclaration).name.getText();
  return around?.name?.getText();
}
