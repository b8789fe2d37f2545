/** What the process was started with. */
export function environment(name: string): string | undefined {
  return process.env[name] || undefined;
}
