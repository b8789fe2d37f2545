/** Error messages for HTTP error responses: what the status means, and what to do. */
import { grouped, SourceError } from '../../core/errors.ts';
import { TransientError } from './retrying.ts';

export interface RefusedRequest {
  /** First requested byte. */
  readonly from?: number;
  /** True if the request had an Authorization header. */
  readonly authorized?: boolean;
}

const TRANSIENT_STATUS = new Set([408, 425, 429, 500, 502, 503, 504]);
const LONGEST_MESSAGE = 300;

/** @returns a TransientError if the failure may be temporary. Its data has the status and the relevant headers. */
export function refusal(file: string, { status, headers }: Response, request: RefusedRequest = {}): SourceError {
  const serverCode = clean(headers.get('x-error-code'));
  const serverMessage = clean(headers.get('x-error-message'));
  const retryAfterSeconds = retryAfter(headers);
  const kind = TRANSIENT_STATUS.has(status) ? TransientError : SourceError;
  const meaning = explain(status, serverCode, request, retryAfterSeconds);
  const said = serverMessage ? `; the server says: ${serverMessage}` : '';
  const problem = `the server answered ${status}${meaning ? `: ${meaning}` : ''}${said}`;
  const commit = headers.get('x-repo-commit') ?? undefined;
  return new kind(file, problem, {
    status,
    offset: request.from,
    serverCode,
    serverMessage,
    retryAfterSeconds,
    commit,
  });
}

function explain(
  status: number,
  code: string | undefined,
  { from = 0, authorized }: RefusedRequest,
  retryAfterSeconds: number | undefined,
): string | undefined {
  if (code === 'GatedRepo') {
    return authorized
      ? 'the repository is gated, and the owner of this token has no access to it: ask for access on its page'
      : 'the repository is gated: accept its terms on its page, then give a token (HF_TOKEN, or the option cache.token)';
  }
  if (code === 'RepoNotFound') return `there is no such repository, or it is private${tokenAdvice(authorized)}`;
  if (code === 'RevisionNotFound') return 'the repository has no such revision';
  if (code === 'EntryNotFound') return 'no such file';
  if (code === 'DisabledRepo') return 'the repository is disabled';
  switch (status) {
    case 401:
      return authorized
        ? 'the token was refused: it is wrong, expired or revoked'
        : 'access needs a token (HF_TOKEN, the option cache.token, or headers)';
    case 403:
      return authorized ? 'the token does not give access' : 'access is refused; a token may be missing';
    case 404:
      return 'no such file';
    case 410:
      return 'the file was removed';
    case 416:
      return `there are no bytes from ${grouped(from)} on`;
    case 429:
      return `too many requests${waitAdvice(retryAfterSeconds)}`;
    case 503:
      return retryAfterSeconds === undefined ? undefined : `it is overloaded${waitAdvice(retryAfterSeconds)}`;
    default:
      return undefined;
  }
}

function tokenAdvice(authorized: boolean | undefined): string {
  return authorized ? ' and the token does not give access' : ': private ones need a token (HF_TOKEN, or cache.token)';
}

function waitAdvice(seconds: number | undefined): string {
  return seconds === undefined ? '' : `; it asks to wait ${grouped(Math.ceil(seconds))} s`;
}

/** Seconds that the server asks to wait: Retry-After as a number or a date, or the reset time of RateLimit. */
function retryAfter(headers: Headers): number | undefined {
  const value = headers.get('retry-after')?.trim();
  if (value) {
    const seconds = /^\d+(\.\d+)?$/.test(value) ? Number(value) : (Date.parse(value) - Date.now()) / 1000;
    if (Number.isFinite(seconds)) return Math.max(0, seconds);
  }
  const reset = /(?:^|[;,\s])t=(\d+)/.exec(headers.get('ratelimit') ?? '')?.[1];
  return reset === undefined ? undefined : Number(reset);
}

/** A header's text on one line, without control characters. */
function clean(text: string | null): string | undefined {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is removed
  const line = text?.replace(/[\x00-\x1f\x7f-\x9f]+/g, ' ').trim();
  return line ? line.slice(0, LONGEST_MESSAGE) : undefined;
}
