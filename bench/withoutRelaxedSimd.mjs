/**
 * Imported before a program: WebAssembly as an engine has it that does not know relaxed SIMD. Asking whether a module is
 * valid is how Espalier finds out, and the only thing it asks.
 */
WebAssembly.validate = () => false;
