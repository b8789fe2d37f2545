/** Messages of conversations: the fields of OpenAI's API, and additional fields for templates. */

/** Text of a message. Other parts (images, audio) are refused, as no model here takes them. */
export interface TextPart {
  readonly type: 'text';
  readonly text: string;
}

/** A call of a function that the assistant asks for. */
export interface ToolCall {
  readonly id?: string;
  readonly type?: 'function';
  readonly function: {
    readonly name: string;
    /** An object, which most templates expect, or its JSON text. */
    readonly arguments: unknown;
  };
}

export interface ChatMessage {
  /** 'system', 'user', 'assistant', 'tool' … */
  readonly role: string;
  /** A string or an array of `TextPart`. It may be absent if the message has something else, such as tool calls. */
  readonly content?: unknown;
  /** An array of `ToolCall`: functions that the assistant calls. The results follow in messages with the role 'tool'. */
  readonly tool_calls?: unknown;
  /** name, tool_call_id, reasoning_content … as the template asks for. */
  readonly [field: string]: unknown;
}

/** A function that the model may call, described by a JSON schema. */
export interface ToolDefinition {
  readonly type?: 'function';
  readonly function?: {
    readonly name: string;
    readonly description?: string;
    readonly parameters?: unknown;
    readonly [field: string]: unknown;
  };
  readonly [field: string]: unknown;
}
