import type { NextFunction, Request, RequestHandler, Response } from 'express';
import { type CodedError, isCodedError } from '../lib/errors';
import { configInvalid, sentence, shownParameters } from './failure';
import type { Api } from './node-red';

/** Requests of our dialogs are a few hundred bytes. */
const LONGEST_BODY = 8192;

/** What a dialog gets when something went wrong; `message` is the server's wording, the dialog has its own language. */
export interface AdminProblem {
  readonly code: string;
  readonly detail: string;
  readonly parameters: Readonly<Record<string, string | number>>;
  readonly message: string;
}

export function problemOf(RED: Api, error: CodedError): AdminProblem {
  return { code: error.code, detail: error.detail, parameters: shownParameters(error), message: sentence(RED, error) };
}

/** Answers a dialog with what `work` resolves with. Nothing of it is ever cached: one answer holds a key's words. */
export function answer(RED: Api, work: (request: Request) => Promise<object>): RequestHandler {
  return (request: Request, response: Response, next: NextFunction) => {
    response.set('Cache-Control', 'no-store');
    void (async () => work(request))().then(
      (result) => response.json(result),
      (error: unknown) => {
        if (isCodedError(error)) response.status(400).json(problemOf(RED, error));
        else next(error);
      },
    );
  };
}

/**
 * Only JSON, and only a little of it. A form of another web site cannot send JSON without asking first, so this also keeps
 * foreign pages out of an editor that has no login.
 */
export const smallJson: RequestHandler = (request, response, next) => {
  const length = Number(request.headers['content-length'] ?? Number.NaN);
  if (!request.is('application/json')) response.status(415).end();
  else if (!(length <= LONGEST_BODY)) response.status(413).end();
  else next();
};

/** A text member of a JSON body. @throws CodedError `CONFIG_INVALID` (`request`) */
export function textOf(body: unknown, name: string, limit: number): string {
  const value = optionalTextOf(body, name, limit);
  if (value === undefined) throw configInvalid('request', `"${name}" is missing`, { name });
  return value;
}

/** Like {@link textOf}, but may be absent or empty. */
export function optionalTextOf(body: unknown, name: string, limit: number): string | undefined {
  if (typeof body !== 'object' || body === null || Array.isArray(body))
    throw configInvalid('request', 'no JSON object', { name });
  const value = Object.hasOwn(body, name) ? (body as Record<string, unknown>)[name] : undefined;
  if (value === undefined || value === null || value === '') return undefined;
  if (typeof value !== 'string' || value.length > limit)
    throw configInvalid('request', `"${name}" is no short text`, { name });
  return value;
}
