/** In browsers nobody can end a helper thread but its page, with the engine. */
export const hasLostThread = (): boolean => false;
