// One task on an image, in C++: features from onnxruntime with an .onnx_adapter, the label from the head in the pack.
//
//     edgecl_example LIBONNXRUNTIME BUNDLE IMAGE.f32 SIDE [PACK]
//
// IMAGE.f32 holds one preprocessed image, float32 [3, SIDE, SIDE]. With a PACK, the adapter beside it (same name,
// .onnx_adapter, from `edgecl export --format onnx_adapter`) is active, and head and labels are read from the pack.
// Prints one JSON object.
//
// An adapter file has no digest and names no backbone: this program compares the pack's fingerprint with the bundle's,
// and trusts the bytes of both. onnxruntime ignores adapters where a session runs with IO binding; this one does not.
//
// The library is opened at start (ORT_API_MANUAL_INIT): one program runs on every version from that of the headers on.
#define ORT_API_MANUAL_INIT
#include <dlfcn.h>
#include <onnxruntime_cxx_api.h>

#include <cstdint>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iostream>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <vector>

namespace fs = std::filesystem;
using nlohmann::json;

std::string read_bytes(const fs::path& path) {
  std::ifstream stream(path, std::ios::binary);
  if (!stream) throw std::runtime_error(path.string() + ": cannot be read");
  return {std::istreambuf_iterator<char>(stream), {}};
}

// The head of a task: scores are features * weight^T + bias.
struct Head {
  std::vector<std::string> labels;
  std::vector<float> weight, bias;  // [C, D], [C]
  std::string fingerprint;
};

// A pack is a safetensors file: 8 bytes with the size N of the header, N bytes of JSON, then the tensors.
Head read_head(const fs::path& path) {
  const std::string raw = read_bytes(path);
  std::uint64_t size = 0;
  if (raw.size() < sizeof size) throw std::runtime_error(path.string() + ": not a pack");
  std::memcpy(&size, raw.data(), sizeof size);
  const json header = json::parse(raw.substr(sizeof size, size));
  const json manifest = json::parse(header.at("__metadata__").at("edgecl").get<std::string>());
  const auto tensor = [&](const char* name) {
    const json& entry = header.at(name);
    const std::size_t begin = entry.at("data_offsets")[0], end = entry.at("data_offsets")[1];
    const std::string bytes = raw.substr(sizeof size + size + begin, end - begin);
    if (entry.at("dtype") == "F32") {
      std::vector<float> values(bytes.size() / sizeof(float));
      std::memcpy(values.data(), bytes.data(), bytes.size());
      return values;
    }
    std::vector<Ort::Float16_t> halves(bytes.size() / sizeof(Ort::Float16_t));
    std::memcpy(static_cast<void*>(halves.data()), bytes.data(), bytes.size());
    std::vector<float> values;
    for (const auto& half : halves) values.push_back(half.ToFloat());
    return values;
  };
  return {manifest.at("labels"), tensor("head_weight"), tensor("head_bias"), manifest.at("fingerprint")};
}

std::string best_label(const Head& head, const std::vector<float>& features) {
  std::size_t best = 0;
  float highest = 0;
  for (std::size_t row = 0; row < head.labels.size(); ++row) {
    float score = head.bias[row];
    for (std::size_t d = 0; d < features.size(); ++d) score += head.weight[row * features.size() + d] * features[d];
    if (row == 0 || score > highest) best = row, highest = score;
  }
  return head.labels[best];
}

void open_onnxruntime(const char* library) {
  void* handle = dlopen(library, RTLD_NOW | RTLD_GLOBAL);
  if (!handle) throw std::runtime_error(dlerror());
  const auto base = reinterpret_cast<const OrtApiBase* (*)()>(dlsym(handle, "OrtGetApiBase"));
  if (!base) throw std::runtime_error(std::string(library) + ": is not onnxruntime");
  const OrtApi* api = base()->GetApi(ORT_API_VERSION);
  if (!api) throw std::runtime_error(std::string("onnxruntime ") + base()->GetVersionString() + " is too old");
  Ort::InitApi(api);
}

std::vector<float> run(Ort::Session& session, std::vector<float>& image, std::int64_t side, const Ort::RunOptions& options) {
  const std::int64_t shape[] = {1, 3, side, side};
  const auto memory = Ort::MemoryInfo::CreateCpu(OrtArenaAllocator, OrtMemTypeDefault);
  Ort::Value input = Ort::Value::CreateTensor<float>(memory, image.data(), image.size(), shape, 4);
  const char* inputs[] = {"pixel_values"};
  const char* outputs[] = {"features"};
  const auto found = session.Run(options, inputs, &input, 1, outputs, 1);
  const float* values = found[0].GetTensorData<float>();
  return {values, values + found[0].GetTensorTypeAndShapeInfo().GetElementCount()};
}

int main(int count, char** arguments) try {
  if (count < 5 || count > 6) throw std::runtime_error("usage: edgecl_example LIBONNXRUNTIME BUNDLE IMAGE.f32 SIDE [PACK]");
  open_onnxruntime(arguments[1]);
  const fs::path bundle = arguments[2];
  const std::int64_t side = std::stoll(arguments[4]);
  const std::string raw = read_bytes(arguments[3]);
  std::vector<float> image(raw.size() / sizeof(float));
  if (image.size() != static_cast<std::size_t>(3 * side * side)) throw std::runtime_error("the image has another size");
  std::memcpy(image.data(), raw.data(), raw.size());

  Ort::Env env(ORT_LOGGING_LEVEL_ERROR, "edgecl");
  env.DisableTelemetryEvents();
  Ort::Session session(env, (bundle / "backbone.onnx").c_str(), Ort::SessionOptions());
  Ort::RunOptions options;
  json result;
  if (count == 5) {
    result["features"] = run(session, image, side, options);
  } else {
    fs::path pack = arguments[5];
    const Head head = read_head(pack);
    if (json::parse(read_bytes(bundle / "bundle.json")).at("fingerprint") != head.fingerprint)
      throw std::runtime_error(pack.string() + ": built for another backbone");
    const auto adapter = Ort::LoraAdapter::CreateLoraAdapter(fs::path(pack).replace_extension(".onnx_adapter").c_str(), nullptr);
    options.AddActiveLoraAdapter(adapter);
    const auto features = run(session, image, side, options);
    result["features"] = features;
    result["label"] = best_label(head, features);
  }
  std::cout << result << '\n';
} catch (const std::exception& error) {
  std::cerr << "edgecl_example: " << error.what() << '\n';
  return 1;
}
