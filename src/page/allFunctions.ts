/** Functions that a worker offers. The training code is loaded on first use. */
export async function functionsFor(name: string): Promise<Record<string, unknown>> {
  const functions = await import('./functions.ts');
  return name in functions ? functions : import('./trainFunctions.ts');
}
