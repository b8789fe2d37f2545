/** Runs before every test file. Node before 20.4 lacks the symbol of `using`, which the tests use. */
const symbols = Symbol as { dispose?: symbol };
if (!symbols.dispose) symbols.dispose = Symbol.for('Symbol.dispose');
