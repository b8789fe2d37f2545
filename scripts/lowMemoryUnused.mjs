/**
 * Transform of the AssemblyScript compiler: tells its optimizer that nothing lies below address 1024, so that constant parts of
 * addresses become offsets of loads and stores. The compiler assumes this by itself, unless --memoryBase is given.
 */
export default class {
  afterCompile() {
    this.binaryen.setLowMemoryUnused(true);
  }
}
