// Features and label of one image with onnxruntime-node:
//     node node.mjs BUNDLE IMAGE.f32 [PACK]
// IMAGE.f32 holds one preprocessed image, float32 [3, side, side]. Prints one JSON object.
import { readFile } from "node:fs/promises";
import { join } from "node:path";

import ort from "onnxruntime-node";

import { predict, readPack } from "./edgecl.mjs";

const [folder, imagePath, packPath] = process.argv.slice(2);
const bytes = async (path) => {
  const found = await readFile(path);
  return found.buffer.slice(found.byteOffset, found.byteOffset + found.byteLength);
};

const bundle = JSON.parse(await readFile(join(folder, "bundle.json"), "utf8"));
const session = await ort.InferenceSession.create(join(folder, "backbone.explicit.onnx"));
const pack = packPath ? readPack(await bytes(packPath)) : null;
const { features, label } = await predict(ort, session, bundle, new Float32Array(await bytes(imagePath)), pack);
console.log(JSON.stringify({ features: Array.from(features), label }));
