/** Replaces xmlbuilder2, with which Cornerstone3D reads meshes, and which needs Node.js. */
export function create(): never {
  throw new Error("meshes are not supported");
}
