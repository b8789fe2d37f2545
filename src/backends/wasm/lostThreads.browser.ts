/** In browsers nobody can end a helper thread but its page, with the engine, so none is watched. */
export const watchThread = (): (() => void) => () => undefined;

export const hasLostThread = (): boolean => false;
