/** Stories as answers: each as what a bot says to somebody who asks for one. */

const requests = [
  'Tell me a story.',
  'Can you tell me a story?',
  'Tell me a story, please.',
  'Please tell me a short story.',
  'Do you know a story?',
  'I want to hear a story.',
];

/** @param text stories between single line breaks; their paragraphs are parted by two @returns conversations */
export function toldStories(text: string): string[] {
  const stories = text
    .split(/(?<!\n)\n(?!\n)/)
    .map((story) => story.trim())
    .filter((story) => story !== '');
  return stories.map((story, i) => `User: ${requests[i % requests.length]}\nBot: ${story}`);
}
