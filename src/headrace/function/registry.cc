// The registry: the rows of list.inc, indexed by id and by name on first use.
#include "headrace/function/registry.h"

#include <algorithm>
#include <array>
#include <map>

#include "headrace/base/ascii_case.h"

namespace headrace {

#define HEADRACE_FUNCTION(name) extern const FunctionDef name;
#include "headrace/function/list.inc"
#undef HEADRACE_FUNCTION

namespace {

constexpr std::array kFunctions = {
#define HEADRACE_FUNCTION(name) &name,
#include "headrace/function/list.inc"
#undef HEADRACE_FUNCTION
};

constexpr int kDialects = 4;

const char* JoinedNames(const FunctionDef& function, Dialect dialect) {
  switch (dialect) {
    case Dialect::kSql:
      return function.names.sql;
    case Dialect::kQ:
      return function.names.q;
    case Dialect::kSFrame:
      return function.names.sframe;
    case Dialect::kLtseq:
      return function.names.ltseq;
  }
  return "";
}

struct Index {
  std::map<std::string, const FunctionDef*, std::less<>> by_id;
  std::array<std::map<std::string, const FunctionDef*, std::less<>>, kDialects> by_name;

  Index() {
    for (const FunctionDef* function : kFunctions) {
      by_id.emplace(function->id, function);
      for (int dialect = 0; dialect < kDialects; ++dialect) {
        auto& names = by_name[static_cast<size_t>(dialect)];
        for (auto& name : NamesIn(*function, static_cast<Dialect>(dialect))) {
          names.emplace(std::move(name), function);
        }
      }
    }
  }
};

const Index& TheIndex() {
  static const Index index;
  return index;
}

}  // namespace

std::span<const FunctionDef* const> AllFunctions() { return kFunctions; }

const FunctionDef* FindFunction(Dialect dialect, std::string_view name) {
  const auto& names = TheIndex().by_name[static_cast<size_t>(dialect)];
  const auto found = names.find(dialect == Dialect::kSql ? LowerCase(name) : std::string(name));
  return found == names.end() ? nullptr : found->second;
}

const FunctionDef* FindFunctionById(std::string_view id) {
  const auto found = TheIndex().by_id.find(id);
  return found == TheIndex().by_id.end() ? nullptr : found->second;
}

std::vector<std::string> NamesIn(const FunctionDef& function, Dialect dialect) {
  std::vector<std::string> names;
  std::string_view rest = JoinedNames(function, dialect);
  while (!rest.empty()) {
    // Names that begin with the separator, the operators | and ||, are all of it.
    const size_t length =
        rest.starts_with('|') ? rest.size() : std::min(rest.find('|'), rest.size());
    names.emplace_back(rest.substr(0, length));
    rest.remove_prefix(std::min(length + 1, rest.size()));
  }
  return names;
}

std::vector<std::string> AllNames(Dialect dialect) {
  std::vector<std::string> names;
  for (const auto& [name, function] : TheIndex().by_name[static_cast<size_t>(dialect)]) {
    names.push_back(name);
  }
  return names;
}

}  // namespace headrace
