// yaml-cpp and toml++ read the texts; both throw, and nothing of that leaves this file.
#include "headrace/sql/config_file.h"

#define TOML_EXCEPTIONS 0
#include <yaml-cpp/yaml.h>

#include <toml++/toml.h>
#include <cstdlib>
#include <sstream>

#include "headrace/base/ascii_case.h"

namespace headrace::sql {
namespace {

constexpr int kExtendsMax = 16;  // files, one extending the other
constexpr int kNestedMapsMax = 32;
constexpr int64_t kConfigBytesMax = int64_t{1} << 20;

Status BadValue(const std::string& path, const std::string& name, std::string_view what) {
  return Error(ErrorKind::kBadData, "{}: {}: {}", path, name, what);
}

/// `text` with ${NAME}, ${NAME:-default} and ${NAME:?message} replaced; not what they stand for.
Result<std::string> WithVariables(const ConfigFiles& files, const std::string& text) {
  std::string whole;
  for (size_t place = 0; place < text.size();) {
    const size_t begin = text.find("${", place);
    whole += text.substr(place, begin - place);
    if (begin == std::string::npos) return whole;
    const size_t end = text.find('}', begin);
    if (end == std::string::npos) {
      return Error(ErrorKind::kBadData, "expected }} behind ${{, got {}", text.substr(begin));
    }
    const std::string inside = text.substr(begin + 2, end - begin - 2);
    const size_t mark = inside.find(':');
    const std::string name = inside.substr(0, mark);
    std::optional<std::string> value = files.variable(name);
    if (value.has_value() && value->empty() && mark != std::string::npos) value.reset();
    if (!value.has_value()) {
      const std::string rest = mark == std::string::npos ? "" : inside.substr(mark + 1);
      if (rest.starts_with("?")) {
        return Error(ErrorKind::kInvalidArgument, "variable {} is not set: {}", name,
                     rest.substr(1));
      }
      if (mark == std::string::npos) {
        return Error(ErrorKind::kInvalidArgument,
                     "variable {0} is not set; ${{{0}:-value}} gives it a value", name);
      }
      value = rest.starts_with("-") ? rest.substr(1) : rest;
    }
    whole += *value;
    place = end + 1;
  }
  return whole;
}

std::string Joined(const std::string& prefix, std::string_view name) {
  return prefix.empty() ? LowerCase(name) : fmt::format("{}.{}", prefix, LowerCase(name));
}

Status AddOption(const ConfigFiles& files, const std::string& path, const std::string& name,
                 const std::string& text, OptionMap* options) {
  Result<std::string> value = WithVariables(files, text);
  if (!value.ok()) {
    return value.status().WithMessage(fmt::format("{}: {}: ", path, name),
                                      value.status().message());
  }
  if (options->emplace(name, *std::move(value)).second) return Status::OK();
  return BadValue(path, name, "the option is given twice");
}

class Flattener {
 public:
  Flattener(const ConfigFiles& files, const std::string& path, OptionMap* options)
      : files_(files), path_(path), options_(options) {}

  Status AddYaml(const std::string& name, const YAML::Node& node, int depth = 0) {
    if (depth > kNestedMapsMax) return BadValue(path_, name, "maps nest too deeply");
    if (node.IsNull()) return Status::OK();
    if (node.IsScalar()) return Add(name, node.Scalar());
    if (node.IsMap()) {
      for (const auto& entry : node) {
        if (!entry.first.IsScalar()) return BadValue(path_, name, "names of options are texts");
        ARROW_RETURN_NOT_OK(AddYaml(Joined(name, entry.first.Scalar()), entry.second, depth + 1));
      }
      return Status::OK();
    }
    std::string list;
    for (const auto& item : node) {
      if (!item.IsScalar()) return BadValue(path_, name, "a list of an option holds plain values");
      list += (list.empty() ? "" : ",") + item.Scalar();
    }
    return Add(name, list);
  }

  Status AddToml(const std::string& name, const toml::node& node, int depth = 0) {
    if (depth > kNestedMapsMax) return BadValue(path_, name, "maps nest too deeply");
    if (const toml::table* table = node.as_table(); table != nullptr) {
      for (const auto& [key, value] : *table) {
        ARROW_RETURN_NOT_OK(AddToml(Joined(name, key.str()), value, depth + 1));
      }
      return Status::OK();
    }
    const toml::array* array = node.as_array();
    if (array == nullptr) return Add(name, TomlText(node));
    std::string list;
    for (const toml::node& item : *array) {
      if (!item.is_value()) return BadValue(path_, name, "a list of an option holds plain values");
      list += (list.empty() ? "" : ",") + TomlText(item);
    }
    return Add(name, list);
  }

 private:
  static std::string TomlText(const toml::node& node) {
    if (const auto* text = node.as_string(); text != nullptr) return text->get();
    std::ostringstream out;
    node.visit([&](const auto& value) {
      if constexpr (toml::is_value<decltype(value)>) out << value;
    });
    return out.str();
  }

  Status Add(const std::string& name, const std::string& text) {
    return AddOption(files_, path_, name, text, options_);
  }

  const ConfigFiles& files_;
  const std::string& path_;
  OptionMap* options_;
};

Status ReadToml(const ConfigFiles& files, const std::string& path, const std::string& text,
                OptionMap* options) {
  const toml::parse_result parsed = toml::parse(text);
  if (!parsed) {
    return Error(ErrorKind::kBadData, "{}:{}: {}", path, parsed.error().source().begin.line,
                 parsed.error().description());
  }
  return Flattener(files, path, options).AddToml("", parsed.table());
}

Status ReadYaml(const ConfigFiles& files, const std::string& path, const std::string& text,
                OptionMap* options) {
  try {
    const YAML::Node root = YAML::Load(text);
    if (!root.IsMap() && !root.IsNull()) {
      return Error(ErrorKind::kBadData, "{}: expected options, name: value, a line each", path);
    }
    return Flattener(files, path, options).AddYaml("", root);
  } catch (const YAML::Exception& failure) {
    return Error(ErrorKind::kBadData, "{}:{}: {}", path, failure.mark.line + 1, failure.msg);
  }
}

Result<std::string> ReadText(Vfs& vfs, const std::string& path) {
  ARROW_ASSIGN_OR_RAISE(const auto file, vfs.OpenForRead(path));
  ARROW_ASSIGN_OR_RAISE(const int64_t size, file->GetSize());
  if (size > kConfigBytesMax) {
    return Error(ErrorKind::kInvalidArgument, "{}: expected at most {} bytes of options, got {}",
                 path, kConfigBytesMax, size);
  }
  std::string text(static_cast<size_t>(size), '\0');
  ARROW_ASSIGN_OR_RAISE(const int64_t read, file->ReadAt(0, size, text.data()));
  text.resize(static_cast<size_t>(read));
  return text;
}

std::string PathIn(const std::string& directory, const std::string& path) {
  return path.starts_with("/") || directory.empty() ? path : directory + "/" + path;
}

Result<OptionMap> ReadExtended(const ConfigFiles& files, const std::string& path, int extends) {
  if (extends > kExtendsMax) {
    return Error(ErrorKind::kInvalidArgument, "{}: more than {} files extend each other", path,
                 kExtendsMax);
  }
  const std::string whole = PathIn(files.base_directory, path);
  ARROW_ASSIGN_OR_RAISE(const std::string text, ReadText(*files.vfs, whole));
  OptionMap options;
  ARROW_RETURN_NOT_OK(whole.ends_with(".toml") ? ReadToml(files, whole, text, &options)
                                               : ReadYaml(files, whole, text, &options));
  const auto base = options.find("extends");
  if (base == options.end()) return options;
  ConfigFiles beside = files;
  beside.base_directory = ParentPath(whole);
  ARROW_ASSIGN_OR_RAISE(OptionMap inherited, ReadExtended(beside, base->second, extends + 1));
  options.erase(base);
  options.merge(inherited);
  return options;
}

}  // namespace

Result<OptionMap> ReadConfigFile(const ConfigFiles& files, const std::string& path) {
  ConfigFiles whole = files;
  if (whole.variable == nullptr) {
    whole.variable = [](const std::string& name) -> std::optional<std::string> {
      const char* value = std::getenv(name.c_str());
      return value == nullptr ? std::nullopt : std::optional<std::string>(value);
    };
  }
  return ReadExtended(whole, path, 0);
}

}  // namespace headrace::sql
