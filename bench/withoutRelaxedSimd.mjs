/**
 * Import it before a program to simulate an engine without relaxed SIMD. Espalier detects relaxed SIMD only by asking
 * whether a module is valid.
 */
WebAssembly.validate = () => false;
