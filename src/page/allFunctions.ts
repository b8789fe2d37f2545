/** What a worker offers; training is fetched when it is asked for. */
export async function functionsFor(name: string): Promise<Record<string, unknown>> {
  const functions = await import('./functions.ts');
  return name in functions ? functions : import('./trainFunctions.ts');
}
