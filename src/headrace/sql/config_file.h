// Options of connectors in files: YAML, or TOML where the name ends in .toml.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "headrace/io/vfs.h"
#include "headrace/table/options.h"

namespace headrace::sql {

/// Where config files are found and what ${NAME} means in them.
struct ConfigFiles {
  Vfs* vfs = nullptr;
  std::string base_directory;  // of paths that are not absolute; "": the working directory
  std::function<std::optional<std::string>(const std::string&)> variable;
};

/// The values of `path` as options: nested maps become names with dots, lists texts with commas.
/// `extends: other.yaml` takes what that file (beside this one) says where this one is silent.
/// ${NAME}, ${NAME:-default}, ${NAME:?message} are replaced in values. Errors name file and line.
Result<OptionMap> ReadConfigFile(const ConfigFiles& files, const std::string& path);

}  // namespace headrace::sql
