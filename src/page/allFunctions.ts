/** The functions that a worker offers. Those that load a model come first; others are fetched when they are called. */
export async function functionsFor(name: string): Promise<Record<string, unknown>> {
  const loading = await import('./loadFunctions.ts');
  if (name in loading) return loading;
  const functions = await import('./functions.ts');
  if (name in functions) return functions;
  return name === 'takePart' ? import('./federatedFunctions.ts') : import('./trainFunctions.ts');
}
