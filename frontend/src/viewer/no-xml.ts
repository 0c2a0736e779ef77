/** Stands for xmlbuilder2, with which Cornerstone3D would read meshes, and which needs Node.js. */
export function create(): never {
  throw new Error("meshes are not read here");
}
