/** Reads the environment variables and files that configure Hugging Face's tools. */
import { environment, homeFolder, userFile } from '#leaf/formats/download/environment';
import { OptionError } from '../../core/errors.ts';

const DEFAULT_ENDPOINT = 'https://huggingface.co';
const DEFAULT_TIMEOUT_SECONDS = 10;

/** URL of the hub: the option, then HF_ENDPOINT, then huggingface.co. @throws {OptionError} naming the invalid option or variable */
export function hubEndpoint(given?: string): URL {
  const named = given ?? environment('HF_ENDPOINT');
  const [name, value] = given === undefined ? ['HF_ENDPOINT', named ?? DEFAULT_ENDPOINT] : ['cache.endpoint', given];
  const url = URL.canParse(value) ? new URL(value) : undefined;
  if (url && /^https?:$/.test(url.protocol)) return url;
  throw new OptionError(name, value, `a URL with its scheme, such as ${DEFAULT_ENDPOINT}`);
}

/** Access token: the option, then HF_TOKEN, then the token stored by `hf auth login`. @throws {OptionError} */
export function hubToken(given?: string): string | undefined {
  if (given !== undefined) return checkedToken('cache.token', given);
  if (isOn('HF_HUB_DISABLE_IMPLICIT_TOKEN')) return undefined;
  for (const name of ['HF_TOKEN', 'HUGGING_FACE_HUB_TOKEN']) {
    const token = checkedToken(name, environment(name));
    if (token) return token;
  }
  const path = expanded(environment('HF_TOKEN_PATH')) ?? `${hubHome()}/token`;
  return checkedToken(path, userFile(path));
}

/** True in offline mode (HF_HUB_OFFLINE). */
export function isHubOffline(): boolean {
  return isOn('HF_HUB_OFFLINE') || (environment('HF_HUB_OFFLINE') === undefined && isOn('TRANSFORMERS_OFFLINE'));
}

/** Timeout for the hub if there is a stored copy, in milliseconds. */
export function hubTimeout(): number {
  const seconds = Number(environment('HF_HUB_ETAG_TIMEOUT'));
  return 1000 * (seconds > 0 ? seconds : DEFAULT_TIMEOUT_SECONDS);
}

/** Folder of the cache of models. */
export function hubCacheFolder(): string {
  return expanded(environment('HF_HUB_CACHE') ?? environment('HUGGINGFACE_HUB_CACHE')) ?? `${hubHome()}/hub`;
}

/** Hugging Face's folder: HF_HOME, then `huggingface` in the user's cache folder. */
function hubHome(): string {
  const caches = environment('XDG_CACHE_HOME') ?? `${homeFolder()}/.cache`;
  return expanded(environment('HF_HOME') ?? `${caches}/huggingface`)!;
}

/** Replaces ~ and variables in a path, as Python's expanduser and expandvars. */
function expanded(path: string | undefined): string | undefined {
  return path
    ?.replace(/^~(?=$|[\\/])/, homeFolder())
    .replace(/\$(?:(\w+)|\{(\w+)\})/g, (whole, plain, braced) => environment(plain ?? braced) ?? whole);
}

function isOn(name: string): boolean {
  return /^(1|on|yes|true)$/i.test(environment(name) ?? '');
}

/** Trims and validates a token. @throws {OptionError} without the token in the message */
function checkedToken(name: string, value: string | undefined): string | undefined {
  const token = value?.trim();
  if (!token) return undefined;
  if (/^[\x21-\x7e]+$/.test(token)) return token;
  throw new OptionError(name, 'a token with characters that no HTTP header can hold', 'ASCII letters and digits');
}
