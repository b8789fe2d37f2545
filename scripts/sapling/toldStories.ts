/** Turns stories into conversations: a user asks for a story and the assistant writes it. */

const requests = [
  'Tell me a story.',
  'Can you tell me a story?',
  'Tell me a story, please.',
  'Please tell me a short story.',
  'Do you know a story?',
  'I want to hear a story.',
];

/** @param text stories separated by single line breaks, paragraphs by two @returns conversations */
export function toldStories(text: string): string[] {
  const stories = text
    .split(/(?<!\n)\n(?!\n)/)
    .map((story) => story.trim())
    .filter((story) => story !== '');
  return stories.map((story, i) => `User: ${requests[i % requests.length]}\nBot: ${story}`);
}
