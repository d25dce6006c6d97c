// Scope: which column a name means.
#include <algorithm>

#include "arrow/type.h"
#include "headrace/base/ascii_case.h"
#include "headrace/expression/bind.h"
#include "headrace/table/options.h"

namespace headrace {
namespace {

bool SameName(std::string_view left, std::string_view right, bool ignore_case) {
  return ignore_case ? EqualsIgnoringCase(left, right) : left == right;
}

std::vector<int> Matches(const std::vector<Scope::Entry>& entries, std::string_view qualifier,
                         std::string_view name, bool ignore_case) {
  std::vector<int> matches;
  for (size_t i = 0; i < entries.size(); ++i) {
    if (!SameName(entries[i].name, name, ignore_case)) continue;
    if (qualifier.empty() ? entries[i].qualified_only
                          : !SameName(entries[i].qualifier, qualifier, ignore_case)) {
      continue;
    }
    matches.push_back(static_cast<int>(i));
  }
  return matches;
}

std::string Joined(const std::vector<std::string>& path) {
  std::string text;
  for (const std::string& part : path) text += (text.empty() ? "" : ".") + part;
  return text;
}

/// "; did you mean …" or "; there are: …".
std::string Advice(const std::vector<Scope::Entry>& entries, const std::string& name) {
  constexpr size_t kListedMax = 12;
  std::vector<std::string> names;
  for (const Scope::Entry& entry : entries) {
    if (!entry.qualified_only) names.push_back(entry.name);
  }
  const std::string nearest = NearestName(name, names);
  if (!nearest.empty()) return fmt::format("; did you mean \"{}\"?", nearest);
  std::string list;
  for (size_t i = 0; i < names.size() && i < kListedMax; ++i) {
    list += (i == 0 ? "" : ", ") + names[i];
  }
  if (names.size() > kListedMax) list += ", …";
  return list.empty() ? "; there are no columns here" : "; there are: " + list;
}

Status Ambiguous(const std::vector<Scope::Entry>& entries, const std::vector<int>& matches,
                 const std::string& name) {
  std::string list;
  for (const int match : matches) {
    const Scope::Entry& entry = entries[static_cast<size_t>(match)];
    const std::string prefix = entry.qualifier.empty() ? "" : entry.qualifier + ".";
    list += (list.empty() ? "" : ", ") + prefix + entry.name;
  }
  return Error(ErrorKind::kUnknownName, "column \"{}\" is ambiguous; it may mean: {}", name, list);
}

}  // namespace

Scope::Scope(const arrow::Schema& schema, std::string qualifier) {
  for (const auto& field : schema.fields()) Add(qualifier, field->name(), field->type());
}

void Scope::Add(std::string qualifier, std::string name, TypePtr type, bool qualified_only) {
  entries_.push_back({std::move(qualifier), std::move(name), std::move(type), qualified_only});
}

bool Scope::Knows(const std::vector<std::string>& path, Dialect dialect) const {
  if (path.empty() || path.size() > 2) return false;
  const std::string qualifier = path.size() == 2 ? path.front() : "";
  return !Matches(entries_, qualifier, path.back(), dialect == Dialect::kSql).empty();
}

Result<int> Scope::Resolve(const std::vector<std::string>& path, Dialect dialect) const {
  const std::string text = Joined(path);
  if (path.empty() || path.size() > 2) {
    return Error(ErrorKind::kUnknownName, "expected column or table.column, got \"{}\"", text);
  }
  const std::string qualifier = path.size() == 2 ? path.front() : "";
  std::vector<int> matches = Matches(entries_, qualifier, path.back(), false);
  if (matches.empty() && dialect == Dialect::kSql) {
    matches = Matches(entries_, qualifier, path.back(), true);
  }
  if (matches.size() == 1) return matches.front();
  if (matches.size() > 1) return Ambiguous(entries_, matches, text);
  const bool knows_table =
      qualifier.empty() || std::any_of(entries_.begin(), entries_.end(), [&](const Entry& entry) {
        return SameName(entry.qualifier, qualifier, dialect == Dialect::kSql);
      });
  if (!knows_table) {
    std::vector<std::string> tables;
    for (const Entry& entry : entries_) tables.push_back(entry.qualifier);
    const std::string nearest = NearestName(qualifier, tables);
    return Error(ErrorKind::kUnknownName, "there is no table \"{}\" here{}", qualifier,
                 nearest.empty() ? "" : fmt::format("; did you mean \"{}\"?", nearest));
  }
  return Error(ErrorKind::kUnknownName, "there is no column \"{}\"{}", text,
               Advice(entries_, path.back()));
}

}  // namespace headrace
