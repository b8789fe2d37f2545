export async function varied(_from: string, _to: string, _seed: number): Promise<void> {}
