// One backbone and its packs in JavaScript, on onnxruntime-node or onnxruntime-web; the caller brings `ort`.
//
// The graph is backbone.explicit.onnx (`edgecl export --twin`): onnxruntime-node ignores what it is fed for the inputs
// of backbone.onnx that have defaults, and says nothing. Task tensors, head and labels are read from the pack, a
// safetensors file: 8 bytes with the size N of the header, N bytes of JSON, then the tensors. The digests of the pack
// are not checked here, only that it was made for this backbone.

const GRAPH_INPUTS = ["prefix_k", "prefix_v", "adapter_down", "adapter_down_bias", "adapter_up", "adapter_up_bias"];
const ROW_AXIS = { prefix_k: 3, prefix_v: 3, adapter_down: 1, adapter_up: 2 };  // of int8 tensors, docs/pack-format.md
const READERS = {
  F32: (bytes) => new Float32Array(bytes),
  F16: (bytes) => Float32Array.from(new Uint16Array(bytes), halfToFloat),
  I8: (bytes) => Float32Array.from(new Int8Array(bytes)),
};

/** Return {manifest, tensors: {name: {data: Float32Array, dims}}} of the bytes of a pack (an ArrayBuffer). */
export function readPack(buffer) {
  const size = Number(new DataView(buffer).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 8, size)));
  const manifest = JSON.parse(header.__metadata__.edgecl);
  if (manifest.format_version > 2) throw new Error(`${manifest.task}: pack format ${manifest.format_version} is newer`);
  delete header.__metadata__;
  const tensors = {};
  for (const [name, { dtype, shape, data_offsets: [begin, end] }] of Object.entries(header)) {
    tensors[name] = { data: READERS[dtype](buffer.slice(8 + size + begin, 8 + size + end)), dims: shape };
  }
  for (const [name, axis] of Object.entries(ROW_AXIS)) {
    if (`${name}_scale` in tensors) applyScales(tensors[name], tensors[`${name}_scale`].data, axis);
  }
  return { manifest, tensors };
}

/** Return the inputs of a task for the graph, or those of size 0 that mean "no task". */
export function taskInputs(ort, dimensions, pack) {
  const { layers: L, width: D, heads: H, head_dim: K } = dimensions;
  const P = pack ? pack.tensors.prefix_k.dims[2] : 0;
  const R = pack ? pack.tensors.adapter_down.dims[2] : 0;
  const shapes = {
    prefix_k: [L, 1, H, P, K], prefix_v: [L, 1, H, P, K], adapter_down: [L, 1, D, R],
    adapter_down_bias: [L, 1, 1, R], adapter_up: [L, 1, R, D], adapter_up_bias: [L, 1, 1, D],
  };
  const inputs = { prefix_bias: new ort.Tensor("float32", new Float32Array(P), [1, 1, 1, P]) };
  for (const name of GRAPH_INPUTS) {
    const count = shapes[name].reduce((product, each) => product * each, 1);
    inputs[name] = new ort.Tensor("float32", pack ? pack.tensors[name].data : new Float32Array(count), shapes[name]);
  }
  return inputs;
}

/** Return {features, label} of one preprocessed image, Float32Array [3, side, side]; the label only with a pack. */
export async function predict(ort, session, bundle, image, pack) {
  if (pack && pack.manifest.fingerprint !== bundle.fingerprint) throw new Error("the pack is for another backbone");
  const side = bundle.preprocessing.size;
  const pixels = new ort.Tensor("float32", image, [1, 3, side, side]);
  const found = await session.run({ pixel_values: pixels, ...taskInputs(ort, bundle.dimensions, pack) });
  const features = Float32Array.from(found.features.data);
  return { features, label: pack ? bestLabel(pack, features) : null };
}

/** The head is one matrix product: scores = features * weight^T + bias. */
function bestLabel({ manifest, tensors: { head_weight: weight, head_bias: bias } }, features) {
  const scores = manifest.labels.map((_, row) =>
    features.reduce((sum, value, d) => sum + value * weight.data[row * features.length + d], bias.data[row]));
  return manifest.labels[scores.indexOf(Math.max(...scores))];
}

function applyScales(tensor, scales, axis) {
  const after = tensor.dims.slice(axis + 1).reduce((product, each) => product * each, 1);
  const row = tensor.dims[axis];
  tensor.data.forEach((value, at) => {
    tensor.data[at] = value * scales[Math.floor(at / (after * row)) * after + (at % after)];
  });
}

function halfToFloat(bits) {
  const sign = bits & 0x8000 ? -1 : 1;
  const exponent = (bits >> 10) & 0x1f;
  const fraction = bits & 0x3ff;
  if (exponent === 0) return sign * 2 ** -24 * fraction;
  return sign * 2 ** (exponent - 25) * (1024 + fraction);  // packs hold neither Infinity nor NaN
}
