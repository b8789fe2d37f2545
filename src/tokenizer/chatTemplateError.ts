/** Error of chat templates. In a file of its own, so that a page does not load the template engine for it. */
import { EspalierError } from '../core/errors.ts';

/** A template is not valid Jinja, fails while rendering, or refuses the conversation (`data.raised`). */
export class ChatTemplateError extends EspalierError {
  declare readonly code: 'CHAT_TEMPLATE';
  override readonly name = 'ChatTemplateError';

  /** @param line of the template's source */
  constructor(problem: string, raised: boolean, line?: number, options?: ErrorOptions) {
    const place = line === undefined || raised ? '' : `, line ${line}`;
    super('CHAT_TEMPLATE', `chat template${place}: ${problem}`, { problem, raised, line }, options);
  }
}
