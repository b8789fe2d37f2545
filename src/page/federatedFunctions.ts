/** The function of `espalier/federated` that does heavy work: in a page it runs in a worker. */
export { takePart } from '../federated/client/takePart.ts';
