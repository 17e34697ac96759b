// Runs requests through tensorflow::LoadSavedModel, which TF Serving loads models with.
//
//   loader SAVED_MODEL REQUEST_DIR...
//
// A request's folder holds its `signature` as text and each input as a serialized
// TensorProto, NAME.input; the answers are written there as NAME.output. Prints the
// names of the model's assets.

#include <filesystem>
#include <fstream>
#include <iostream>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include "tensorflow/cc/saved_model/loader.h"
#include "tensorflow/core/framework/tensor.h"
#include "tensorflow/core/framework/tensor.pb.h"
#include "tensorflow/core/public/session.h"

namespace fs = std::filesystem;

std::string Read(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

void Check(const absl::Status& status) {
  if (status.ok()) return;
  std::cerr << status.ToString() << std::endl;
  std::exit(1);
}

void Run(const tensorflow::SavedModelBundle& bundle, const fs::path& folder) {
  const auto& signature = bundle.GetSignatures().at(Read(folder / "signature"));
  std::vector<std::pair<std::string, tensorflow::Tensor>> inputs;
  for (const auto& [name, info] : signature.inputs()) {
    tensorflow::TensorProto proto;
    tensorflow::Tensor tensor;
    if (!proto.ParseFromString(Read(folder / (name + ".input"))) ||
        !tensor.FromProto(proto)) {
      Check(absl::InvalidArgumentError(name + ": no such input in the request"));
    }
    inputs.emplace_back(info.name(), tensor);
  }
  std::vector<std::string> names, fetches;
  for (const auto& [name, info] : signature.outputs()) {
    names.push_back(name);
    fetches.push_back(info.name());
  }
  std::vector<tensorflow::Tensor> outputs;
  Check(bundle.GetSession()->Run(inputs, fetches, {}, &outputs));
  for (size_t i = 0; i < names.size(); ++i) {
    tensorflow::TensorProto proto;
    outputs[i].AsProtoField(&proto);
    std::ofstream(folder / (names[i] + ".output"), std::ios::binary)
        << proto.SerializeAsString();
  }
}

int main(int argc, char** argv) {
  tensorflow::SavedModelBundle bundle;
  Check(tensorflow::LoadSavedModel(tensorflow::SessionOptions(),
                                   tensorflow::RunOptions(), argv[1], {"serve"},
                                   &bundle));
  for (const auto& asset : bundle.meta_graph_def.asset_file_def()) {
    std::cout << asset.filename() << std::endl;
  }
  for (int i = 2; i < argc; ++i) Run(bundle, argv[i]);
}
