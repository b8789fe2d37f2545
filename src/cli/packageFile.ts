/** Files of the package that are not code. The bundle of the command line lies where this file does, so the path holds there, too. */
import { fileURLToPath } from 'node:url';

/** @param path below the package's folder */
export const packageFile = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url));
